/* SPDX-License-Identifier: MIT */
#include "bench/stats/least_squares.h"

#include "bench/stats/distributions.h"

#include <math.h>
#include <stdlib.h>

/* Reflects column j of a [n, k + 1] (the last column is y) so that it is zero below row j, and the
 * columns behind it with it. */
static void reflect(double *a, size_t n, size_t k, size_t j)
{
    const size_t stride = k + 1;
    double norm = 0;
    for (size_t i = j; i < n; i++)
        norm = hypot(norm, a[i * stride + j]);
    if (norm <= 0)
        return;
    /* v = column + sign(a_jj) |column| e_j, without cancellation. */
    double head = a[j * stride + j], alpha = head > 0 ? -norm : norm;
    double v0 = head - alpha, vv = 2 * (norm * norm + fabs(head) * norm);
    for (size_t c = j + 1; c <= k; c++) {
        double dot = v0 * a[j * stride + c];
        for (size_t i = j + 1; i < n; i++)
            dot += a[i * stride + j] * a[i * stride + c];
        double f = 2 * dot / vv;
        a[j * stride + c] -= f * v0;
        for (size_t i = j + 1; i < n; i++)
            a[i * stride + c] -= f * a[i * stride + j];
    }
    a[j * stride + j] = alpha;
}

/* R b = Q' y, from below: backward stable, which the product with R's inverse is not. */
static void solve(const double *a, size_t k, double *b)
{
    const size_t stride = k + 1;
    for (size_t i = k; i-- > 0;) {
        double sum = a[i * stride + k];
        for (size_t m = i + 1; m < k; m++)
            sum -= a[i * stride + m] * b[m];
        b[i] = sum / a[i * stride + i];
    }
}

/* The inverse of the upper triangle of a. */
static void invert(const double *a, size_t k, double r[CN_LS_MOST][CN_LS_MOST])
{
    const size_t stride = k + 1;
    for (size_t c = 0; c < k; c++)
        for (size_t i = k; i-- > 0;) {
            double sum = i == c;
            for (size_t m = i + 1; m <= c; m++)
                sum -= a[i * stride + m] * r[m][c];
            r[i][c] = i > c ? 0 : sum / a[i * stride + i];
        }
}

bool cn_least_squares(const double *x, const double *y, const double *sigma, bool relative,
                      size_t n, size_t k, struct cn_least_squares *fit, const char **why)
{
    *why = "too few measurements for so many unknowns";
    if (n <= k || k == 0 || k > CN_LS_MOST)
        return false;
    double *a = malloc(n * (k + 1) * sizeof *a), size[CN_LS_MOST], r[CN_LS_MOST][CN_LS_MOST];
    *why = "out of memory";
    if (!a)
        return false;
    for (size_t c = 0; c <= k; c++)
        for (size_t i = 0; i < n; i++)
            a[i * (k + 1) + c] = (c < k ? x[i * k + c] : y[i]) / sigma[i];
    bool ok = true;
    for (size_t c = 0; c < k; c++) {
        size[c] = 0;
        for (size_t i = 0; i < n; i++)
            size[c] = hypot(size[c], a[i * (k + 1) + c]);
        ok = ok && size[c] > 0;
        for (size_t i = 0; ok && i < n; i++)
            a[i * (k + 1) + c] /= size[c];
    }
    for (size_t c = 0; ok && c < k; c++) {
        reflect(a, n, k, c);
        ok = fabs(a[c * (k + 1) + c]) > 1e-9;
    }
    *why = "the measurements do not tell the unknowns apart";
    if (ok) {
        *fit = (struct cn_least_squares){ .n = n, .k = k };
        double sum2 = 0;
        for (size_t i = k; i < n; i++)
            sum2 += a[i * (k + 1) + k] * a[i * (k + 1) + k];
        fit->scale = sqrt(sum2 / (double)(n - k));
        if (!relative)
            fit->scale = fmax(1, fit->scale);
        fit->t95 = cn_student_quantile(0.975, (double)(n - k));
        solve(a, k, fit->beta);
        invert(a, k, r);
        for (size_t i = 0; i < k; i++) {
            fit->beta[i] /= size[i];
            for (size_t j = 0; j < k; j++)
                for (size_t m = 0; m < k; m++)
                    fit->cov[i][j] +=
                        fit->scale * fit->scale * r[i][m] * r[j][m] / (size[i] * size[j]);
        }
    }
    free(a);
    return ok;
}

double cn_least_squares_at(const struct cn_least_squares *fit, const double *row, double *se)
{
    double value = 0, var = 0;
    for (size_t i = 0; i < fit->k; i++) {
        value += row[i] * fit->beta[i];
        for (size_t j = 0; j < fit->k; j++)
            var += row[i] * row[j] * fit->cov[i][j];
    }
    *se = sqrt(var);
    return value;
}

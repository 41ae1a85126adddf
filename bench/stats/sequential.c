/* SPDX-License-Identifier: MIT */
#include "bench/stats/sequential.h"

#include "bench/stats/distributions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *cn_sequential_name(enum cn_sequential_verdict verdict)
{
    static const char *const names[] = {
        [CN_SEQUENTIAL_UNDECIDED] = "undecided",
        [CN_SEQUENTIAL_EQUIVALENT] = "equivalent",
        [CN_SEQUENTIAL_FASTER] = "faster",
        [CN_SEQUENTIAL_SLOWER] = "slower",
    };
    return names[verdict];
}

size_t cn_sequential_next(size_t n)
{
    const size_t quarter = n / 4;
    return n < CN_SEQUENTIAL_LEAST ? CN_SEQUENTIAL_LEAST : n + (quarter ? quarter : 1);
}

/* Which look it is after n rounds, from 1. One between two that are due (time is up) counts as the
 * later of them. */
static double look_after(size_t n)
{
    double look = 1;
    for (size_t at = cn_sequential_next(0); at < n; at = cn_sequential_next(at))
        look++;
    return look;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean of sorted[n] without `cut` at either end, and its standard error. */
static void trimmed(const double *sorted, size_t n, size_t cut, double *mean, double *error)
{
    const double first = sorted[cut], last = sorted[n - 1 - cut];
    const size_t left = n - 2 * cut;
    double sum = 0, all = 0, squares = 0;
    for (size_t i = cut; i < n - cut; i++)
        sum += sorted[i];
    *mean = sum / (double)left;
    /* Winsorised: what was cut counts as the last that was not. */
    all = (sum + (double)cut * (first + last)) / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double x = i < cut ? first : i >= n - cut ? last : sorted[i];
        squares += (x - all) * (x - all);
    }
    *error = sqrt(squares / ((double)left * (double)(left - 1)));
}

static enum cn_sequential_verdict verdict_of(const struct cn_sequential *s, double margin)
{
    const double above = 1 + margin, below = 1 / above;
    if (s->hi < below)
        return CN_SEQUENTIAL_SLOWER;
    if (s->lo > above)
        return CN_SEQUENTIAL_FASTER;
    return s->lo >= below && s->hi <= above ? CN_SEQUENTIAL_EQUIVALENT : CN_SEQUENTIAL_UNDECIDED;
}

bool cn_sequential_judge(const double *logs, size_t n, size_t n_rows, double margin,
                         struct cn_sequential *result)
{
    *result = (struct cn_sequential){
        .n = n, .ratio = (double)NAN, .lo = (double)NAN, .hi = (double)NAN
    };
    if (n == 0)
        return true;
    double *sorted = malloc(n * sizeof *sorted);
    if (!sorted)
        return false;
    memcpy(sorted, logs, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    const size_t cut = n / 5;
    double mean, error;
    trimmed(sorted, n, n >= CN_SEQUENTIAL_LEAST ? cut : (n - 1) / 2, &mean, &error);
    free(sorted);
    result->ratio = exp(mean);
    if (n < CN_SEQUENTIAL_LEAST)
        return true;
    const double look = look_after(n);
    const double alpha = CN_SEQUENTIAL_ALPHA / ((double)n_rows * look * (look + 1));
    const double reach =
        error > 0 ? error * cn_student_quantile(1 - alpha / 2, (double)(n - 2 * cut - 1)) : 0;
    result->lo = exp(mean - reach);
    result->hi = exp(mean + reach);
    result->verdict = verdict_of(result, margin);
    return true;
}

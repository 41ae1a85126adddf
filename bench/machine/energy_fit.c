/* SPDX-License-Identifier: MIT */
#include "bench/machine/energy_fit.h"

#include "bench/stats/least_squares.h"
#include "engine/run/op_work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A configuration is never measured better than this: clocks, heat, other programs. */
static const double repeatable = 0.01;

struct system {
    double *x, *y, *sigma; /* [n][k], [n], [n] */
    size_t n, k;
};

struct solution {
    double beta[CN_MODEL_TERMS], cov[CN_MODEL_TERMS][CN_MODEL_TERMS], t95;
};

/* Least squares with no term below 0: the most negative one is held at 0 until none is. */
static bool solve(const struct system *s, struct solution *out, const char **why)
{
    size_t kept[CN_MODEL_TERMS], k = s->k;
    double *x = malloc(s->n * s->k * sizeof *x + 1);
    struct cn_least_squares fit;
    bool ok = x != NULL;
    *why = "out of memory";
    for (size_t c = 0; c < k; c++)
        kept[c] = c;
    while (ok) {
        for (size_t i = 0; i < s->n; i++)
            for (size_t c = 0; c < k; c++)
                x[i * k + c] = s->x[i * s->k + kept[c]];
        ok = cn_least_squares(x, s->y, s->sigma, true, s->n, k, &fit, why);
        size_t worst = 0;
        for (size_t c = 1; ok && c < k; c++)
            if (fit.beta[c] / sqrt(fit.cov[c][c]) < fit.beta[worst] / sqrt(fit.cov[worst][worst]))
                worst = c;
        if (!ok || fit.beta[worst] >= 0)
            break;
        k--;
        memmove(kept + worst, kept + worst + 1, (k - worst) * sizeof *kept);
    }
    free(x);
    if (!ok)
        return false;
    *out = (struct solution){ .t95 = fit.t95 };
    for (size_t c = 0; c < k; c++) {
        out->beta[kept[c]] = fit.beta[c];
        for (size_t d = 0; d < k; d++)
            out->cov[kept[c]][kept[d]] = fit.cov[c][d];
    }
    return true;
}

static bool known(const struct cn_sweep_point *p)
{
    return isfinite(p->joules) && !p->floats;
}

/* Root mean square of the relative errors; dof: how many unknowns were fitted to these. */
static double rms(const struct cn_sweep_point *points, int n, bool held_out, int dof)
{
    double sum = 0, count = 0;
    for (int i = 0; i < n; i++)
        if (known(&points[i]) && points[i].held_out == held_out) {
            double error = points[i].predicted / points[i].joules - 1;
            sum += error * error;
            count++;
        }
    return count > dof ? sqrt(sum / (count - dof)) : 0;
}

static void fit_times(const struct cn_sweep_point *points, int n, struct system *s,
                      struct cn_energy_model *m)
{
    s->k = CN_MODEL_TERMS - 1;
    for (int first = 0; first < n && m->n_times < CN_MODEL_THREADS; first++) {
        int threads = points[first].threads;
        bool done = false;
        for (int i = 0; i < first; i++)
            done = done || points[i].threads == threads;
        s->n = 0;
        for (int i = first; i < n && !done; i++) {
            const struct cn_sweep_point *p = &points[i];
            if (p->threads != threads || p->floats)
                continue;
            memcpy(s->x + s->n * s->k, p->took.x + 1, s->k * sizeof *s->x);
            s->y[s->n] = p->took.x[0];
            s->sigma[s->n++] = p->took.x[0];
        }
        struct solution solution;
        const char *why;
        if (done || !solve(s, &solution, &why))
            continue;
        struct cn_time_model *t = &m->times[m->n_times++];
        *t = (struct cn_time_model){ .n_threads = threads };
        memcpy(t->coef, solution.beta, sizeof t->coef);
        double sum = 0;
        for (size_t i = 0; i < s->n; i++) {
            double seconds = 0;
            for (size_t c = 0; c < s->k; c++)
                seconds += t->coef[c] * s->x[i * s->k + c];
            sum += (seconds / s->y[i] - 1) * (seconds / s->y[i] - 1);
        }
        t->spread = sqrt(sum / (double)(s->n - s->k));
    }
}

static bool fit(struct cn_sweep_point *points, int n, struct system *s, struct cn_energy_model *m,
                const char **why)
{
    s->k = CN_MODEL_TERMS;
    for (int i = 0; i < n; i++) {
        const struct cn_sweep_point *p = &points[i];
        if (!known(p) || p->held_out)
            continue;
        memcpy(s->x + s->n * s->k, p->took.x, sizeof p->took.x);
        s->y[s->n] = p->joules;
        double unsure = p->uncertainty > 0 ? p->uncertainty / 1.96 : 0;
        s->sigma[s->n++] = hypot(unsure, repeatable * p->joules);
    }
    struct solution solution;
    if (!solve(s, &solution, why))
        return false;
    m->n_fitted = (int)s->n;
    m->t95 = solution.t95;
    memcpy(m->coef, solution.beta, sizeof m->coef);
    memcpy(m->cov, solution.cov, sizeof m->cov);
    m->held_out_error = (double)NAN;
    for (int i = 0; i < n; i++) {
        struct cn_sweep_point *p = &points[i];
        p->predicted = cn_energy_model_joules(m, &p->took, NULL);
        if (!known(p) || !p->held_out)
            continue;
        m->n_held_out++;
        m->held_out_error = fmax(m->held_out_error, fabs(p->predicted / p->joules - 1));
    }
    m->spread = fmax(rms(points, n, false, CN_MODEL_TERMS), rms(points, n, true, 0));
    for (int i = 0; i < n; i++)
        points[i].predicted = cn_energy_model_joules(m, &points[i].took, &points[i].half);
    fit_times(points, n, s, m);
    return true;
}

bool cn_energy_fit(struct cn_sweep_point *points, int n, struct cn_energy_model *model,
                   const char **why)
{
    double *memory = malloc((size_t)n * (CN_MODEL_TERMS + 2) * sizeof *memory + 1);
    *why = "out of memory";
    if (!memory)
        return false;
    struct system s = { memory, memory + n * CN_MODEL_TERMS, memory + n * (CN_MODEL_TERMS + 1), 0,
                        0 };
    *model = (struct cn_energy_model){ 0 };
    bool ok = fit(points, n, &s, model, why);
    free(memory);
    return ok;
}

bool cn_energy_predict(const struct cn_energy_model *m, const struct cn_model *model, bool decode,
                       int32_t n_tokens, int threads, struct cn_prediction *p, const char **why)
{
    const struct cn_time_model *time = NULL;
    struct cn_work w;
    for (int i = 0; i < m->n_times; i++)
        if (m->times[i].n_threads == threads)
            time = &m->times[i];
    *why = "the energy model was not fitted on so many threads";
    if (!time)
        return false;
    const int32_t n = decode ? 1 : n_tokens;
    cn_model_pass_work(model, n, &w);
    *why = "much of its weights is of float formats, for which the energy model has no term";
    if (w.float_ops > w.int8_ops / 20)
        return false;
    struct cn_model_row row = {
        {0, (double)w.bytes, (double)w.int8_ops, (double)w.unpacked}
    };
    for (int i = 0; i < CN_MODEL_TERMS - 1; i++)
        row.x[0] += time->coef[i] * row.x[i + 1];
    double half, joules = cn_energy_model_joules(m, &row, &half);
    half = hypot(half, m->t95 * time->spread * row.x[0] * m->coef[0]);
    *p = (struct cn_prediction){ row.x[0] / n, joules / n, (joules - half) / n,
                                 (joules + half) / n };
    return true;
}

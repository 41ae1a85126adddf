/* SPDX-License-Identifier: MIT */
#include "profiler/samples/offset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 15, OUTSIDE = KINDS, GROUPS };

/* Phases of one kind that follow each other, as one. */
struct stretch {
    double t0, t1; /* ns */
    int group;
};

struct search {
    const struct cn_series *series;
    double from, to, uj; /* of the samples */
    struct stretch *stretches;
    size_t n;
};

static int group_of(const char *kind, const char **kinds, int *n)
{
    /* Tokens and the sampling between them alternate faster than a slow meter can see. */
    if (!strcmp(kind, "sample"))
        kind = "decode";
    int g = 0;
    while (g < *n && strcmp(kinds[g], kind) != 0)
        g++;
    if (g == *n && g < KINDS - 1)
        kinds[(*n)++] = kind;
    return g;
}

static void gather(struct search *s, const struct cn_phase *phases, size_t n)
{
    const char *kinds[KINDS];
    int n_kinds = 0;
    double slack = s->series->period_ns / 4;
    for (size_t i = 0; i < n; i++) {
        struct stretch *last = s->n ? &s->stretches[s->n - 1] : NULL;
        double t0 = (double)phases[i].t0_ns, t1 = (double)phases[i].t1_ns;
        if (last && t1 <= last->t1)
            continue; /* inside another one */
        int group = group_of(phases[i].kind, kinds, &n_kinds);
        if (last && last->group == group && t0 <= last->t1 + slack)
            last->t1 = t1;
        else
            s->stretches[s->n++] =
                (struct stretch){ last && t0 < last->t1 ? last->t1 : t0, t1, group };
    }
}

/* Sum of squares that the kinds explain if `shift` is added to the samples' stamps: for each kind
 * its energy squared by its time. */
static double score(const struct search *s, double shift)
{
    double uj[GROUPS] = { 0 }, ns[GROUPS] = { 0 }, sum = 0;
    uj[OUTSIDE] = s->uj;
    ns[OUTSIDE] = s->to - s->from;
    for (size_t i = 0; i < s->n; i++) {
        double a = fmax(s->from, s->stretches[i].t0 - shift);
        double b = fmin(s->to, s->stretches[i].t1 - shift);
        if (b <= a)
            continue;
        double e = cn_series_cumulative(s->series, b) - cn_series_cumulative(s->series, a);
        uj[s->stretches[i].group] += e;
        ns[s->stretches[i].group] += b - a;
        uj[OUTSIDE] -= e;
        ns[OUTSIDE] -= b - a;
    }
    for (int g = 0; g < GROUPS; g++)
        if (ns[g] > 0)
            sum += uj[g] * uj[g] / ns[g];
    return sum;
}

/* The same if all of the power's changes were explained. */
static double whole(const struct search *s, double step)
{
    double sum = 0, before = cn_series_cumulative(s->series, s->from);
    for (double t = s->from; t < s->to; t += step) {
        double end = fmin(t + step, s->to), uj = cn_series_cumulative(s->series, end);
        sum += (uj - before) * (uj - before) / (end - t);
        before = uj;
    }
    return sum;
}

/* The best shift of from, from + step, ... to. *next: the best score that is more than `apart` away
 * and no lower than its neighbours. */
static double best(const struct search *s, double from, double to, double step, double apart,
                   double *top, double *next)
{
    size_t n = (size_t)((to - from) / step) + 1, at = 0;
    double *scores = malloc(n * sizeof *scores);
    *top = *next = 0;
    if (!scores)
        return CN_UNKNOWN;
    for (size_t i = 0; i < n; i++) {
        scores[i] = score(s, from + (double)i * step);
        if (scores[i] > *top) {
            *top = scores[i];
            at = i;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (fabs((double)i - (double)at) * step > apart && (i == 0 || scores[i] >= scores[i - 1]) &&
            (i + 1 == n || scores[i] >= scores[i + 1]))
            *next = fmax(*next, scores[i]);
    free(scores);
    return from + (double)at * step;
}

bool cn_offset_find(const struct cn_series *series, const struct cn_phase *phases, size_t n,
                    int64_t search_ns, struct cn_offset *offset, const char **why)
{
    struct search s = { .series = series };
    double period = series->period_ns;
    *why = "too few samples to find their clock's offset";
    if (series->n < 3 || !(period > 0))
        return false;
    s.from = series->points[0].t_ns;
    s.to = series->points[series->n - 1].t_ns;
    s.uj = cn_series_cumulative(series, s.to) - cn_series_cumulative(series, s.from);
    *why = "out of memory";
    s.stretches = malloc(n * sizeof *s.stretches);
    if (!s.stretches)
        return false;
    gather(&s, phases, n);
    double search = (double)search_ns, coarse = fmax(period / 4, search / 20000);
    double apart = fmax(2 * period, 4 * coarse), top, next, unused;
    double flat = s.uj * s.uj / (s.to - s.from), most = whole(&s, period / 2) - flat;
    double shift = best(&s, -search, search, coarse, apart, &top, &next);
    for (double step = coarse / 8; step > 2.5e5 && !isnan(shift); step /= 8)
        shift = best(&s, shift - 8 * step, shift + 8 * step, step, 2 * search, &top, &unused);
    free(s.stretches);
    if (isnan(shift))
        return false;
    *why = "the power does not change, so it cannot tell its clock's offset";
    if (!(most > 1e-6 * flat))
        return false;
    offset->ns = (int64_t)shift;
    offset->explained = (top - flat) / most;
    offset->next = fmax(0, (next - flat) / most);
    return true;
}

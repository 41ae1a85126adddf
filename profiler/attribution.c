/* SPDX-License-Identifier: MIT
 *
 * Phases and what the meters said become joules with an uncertainty.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/watch.h"

/* Why values are missing: what the meter said, if all the time it said but one thing. */
static const char *why_missing(const struct cn_watch *w, const char *reason)
{
    bool missing = strstr(reason, "lost count") || strstr(reason, "gave no value");
    return missing && w->failure[0] && !w->failed_otherwise ? w->failure : reason;
}

/* All sources of a channel from t0 to t1. */
static struct cn_estimate sources(const struct cn_watch *w, int64_t t0_ns, int64_t t1_ns)
{
    struct cn_estimate sum = { .updates = (double)INFINITY };
    for (unsigned i = 0; i < w->opened.n_sources; i++) {
        struct cn_estimate e;
        cn_series_span(&w->series[i], t0_ns, t1_ns, &e);
        if (e.reason) {
            e.reason = why_missing(w, e.reason);
            return e;
        }
        sum.uj += e.uj;
        sum.var_uj2 += e.var_uj2;
        if (e.updates < sum.updates)
            sum.slow = e.slow;
        sum.updates = fmin(sum.updates, e.updates);
    }
    return sum;
}

static void unknown(struct cn_energy *e, enum cn_energy_status status, const char *reason)
{
    e->joules = e->joules_net = e->uncertainty = e->uncertainty_net = CN_UNKNOWN;
    e->status = status;
    e->reason = reason;
}

/* Idle power at a time, and its variance: along a line between the idle phases around it, level
 * before the first and after the last. Between two the level is uncertain by their difference. */
static bool idle_at(const struct cn_watch *w, double t, double *watts, double *var)
{
    if (w->n_idle == 0)
        return false;
    size_t k = 0;
    while (k < w->n_idle && w->idle[k].t_ns <= t)
        k++;
    if (k == 0 || k == w->n_idle) {
        const struct cn_idle *i = &w->idle[k ? k - 1 : 0];
        *watts = i->w;
        *var = i->var_w2;
        return true;
    }
    const struct cn_idle *a = &w->idle[k - 1], *b = &w->idle[k];
    double x = (t - a->t_ns) / (b->t_ns - a->t_ns), drift = b->w - a->w;
    *watts = a->w + x * drift;
    *var = (1 - x) * (1 - x) * a->var_w2 + x * x * b->var_w2 + drift * drift / 12;
    return true;
}

static void price(const struct cn_watch *w, struct cn_energy *e, const struct cn_estimate *sum,
                  int64_t updates)
{
    e->updates = updates;
    if (sum->reason) {
        unknown(e, CN_ENERGY_UNRESOLVED, sum->reason);
        return;
    }
    if (updates < CN_MIN_UPDATES) {
        _Static_assert(CN_MIN_UPDATES == 10, "the sentence below");
        unknown(e, CN_ENERGY_UNRESOLVED,
                sum->slow ? sum->slow : "holds fewer than 10 independent updates of the meter");
        return;
    }
    if (!w->channel.info.modelled && 1.96 * sqrt(sum->var_uj2) > fabs(sum->uj)) {
        unknown(e, CN_ENERGY_UNRESOLVED,
                "its interval is wider than the figure itself: about 0, or too noisy to tell");
        return;
    }
    e->status = w->channel.info.modelled ? CN_ENERGY_MODELLED : CN_ENERGY_MEASURED;
    e->joules = 1e-6 * sum->uj;
    double var = 1e-12 * sum->var_uj2;
    e->uncertainty = 1.96 * sqrt(var);
    double idle, idle_var, seconds = 1e-9 * (double)e->busy_ns;
    if (idle_at(w, 0.5 * ((double)e->t0_ns + (double)e->t1_ns), &idle, &idle_var)) {
        e->joules_net = e->joules - idle * seconds;
        e->uncertainty_net = 1.96 * sqrt(var + idle_var * seconds * seconds);
    }
    /* What is known of timing says nothing about how far the model itself is off. */
    if (w->channel.info.modelled)
        e->uncertainty = e->uncertainty_net = CN_UNKNOWN;
}

/* False, with the reason in e, if the channel cannot price anything. */
static bool usable(const struct cn_profiler *p, const struct cn_watch *w, struct cn_energy *e)
{
    unknown(e, CN_ENERGY_UNSUPPORTED, w->channel.info.reason);
    if (!w->channel.info.ok)
        return false;
    if (p->started || !w->series) {
        unknown(e, CN_ENERGY_UNRESOLVED, "the profiler has not been stopped");
        return false;
    }
    e->reason = NULL;
    return true;
}

void cn_profiler_phase(const struct cn_profiler *p, size_t channel, size_t i,
                       struct cn_energy *energy)
{
    const struct cn_phase *phase = &p->phases[i];
    const struct cn_watch *w = &p->watches[channel];
    struct cn_energy e = {
        .phase = phase->kind,
        .index = phase->index,
        .t0_ns = phase->t0_ns,
        .t1_ns = phase->t1_ns,
        .busy_ns = phase->t1_ns - phase->t0_ns,
    };
    if (usable(p, w, &e)) {
        struct cn_estimate sum = { .updates = 0 };
        if (e.busy_ns > 0)
            sum = sources(w, e.t0_ns, e.t1_ns);
        price(w, &e, &sum, sum.reason ? 0 : (int64_t)(sum.updates + 0.5));
    }
    *energy = e;
}

/* ---- several phases together ----------------------------------------------------------------- */

/* A stretch of phases with no more than short gaps between them. */
struct stretch {
    int64_t t0, t1, busy;
};

struct sum {
    struct cn_estimate all;
    double gap_uj; /* that the gaps may have had more or less */
    double whole;  /* updates, if there is but one stretch */
    int64_t updates, n;
};

static void add_stretch(const struct cn_watch *w, const struct stretch *run, struct sum *sum)
{
    if (run->busy <= 0 || sum->all.reason)
        return;
    struct cn_estimate e = sources(w, run->t0, run->t1);
    if (e.reason) {
        sum->all.reason = e.reason;
        return;
    }
    double length = (double)(run->t1 - run->t0), share = (double)run->busy / length;
    /* A gap is taken to have the power of its stretch, but may have half of it more or less. */
    sum->gap_uj += 0.5 * e.uj * (1 - share);
    sum->all.slow = e.slow;
    sum->all.uj += e.uj * share;
    sum->all.var_uj2 += e.var_uj2 * share * share;
    sum->whole = e.updates * share;
    sum->updates += (int64_t)(e.updates * share);
    sum->n++;
}

/* kinds: with commas in between; NULL: all but "idle". */
static bool wanted(const struct cn_phase *phase, const char *kinds)
{
    const size_t n = strlen(phase->kind);
    if (!kinds)
        return strcmp(phase->kind, "idle") != 0;
    for (const char *k = kinds; k; k = strchr(k, ',') ? strchr(k, ',') + 1 : NULL)
        if (!strncmp(k, phase->kind, n) && (k[n] == 0 || k[n] == ','))
            return true;
    return false;
}

/* Gaps up to this length are bridged. */
static int64_t bridge_ns(const struct cn_watch *w)
{
    double period = 0;
    for (unsigned i = 0; w->series && i < w->opened.n_sources; i++)
        period = fmax(period, w->series[i].period_ns * (w->series[i].counter ? 2 : 1));
    return (int64_t)period;
}

void cn_profiler_total(const struct cn_profiler *p, size_t channel, const char *kind, size_t first,
                       size_t n, struct cn_energy *energy)
{
    const struct cn_watch *w = &p->watches[channel];
    struct cn_energy e = { .phase = kind };
    bool ok = usable(p, w, &e);
    size_t end = first < p->n_phases && n < p->n_phases - first ? first + n : p->n_phases;
    int64_t bridge = ok ? bridge_ns(w) : 0;
    struct stretch run = { 0 };
    struct sum sum = { .n = 0 };
    for (size_t i = first; i < end; i++) {
        const struct cn_phase *phase = &p->phases[i];
        if (!wanted(phase, kind))
            continue;
        bool begins = e.index++ == 0;
        if (begins)
            e.t0_ns = phase->t0_ns;
        if (begins || phase->t0_ns - run.t1 > bridge) {
            if (ok)
                add_stretch(w, &run, &sum);
            e.busy_ns += run.busy;
            run = (struct stretch){ phase->t0_ns, phase->t0_ns, 0 };
        }
        /* Phases inside others count once. */
        int64_t from = phase->t0_ns > run.t1 ? phase->t0_ns : run.t1;
        if (phase->t1_ns > from) {
            run.busy += phase->t1_ns - from;
            run.t1 = phase->t1_ns;
        }
        if (phase->t1_ns > e.t1_ns)
            e.t1_ns = phase->t1_ns;
    }
    e.busy_ns += run.busy;
    if (ok) {
        add_stretch(w, &run, &sum);
        /* Gaps are of one kind, so what they do they all do: not independent. */
        sum.all.var_uj2 += sum.gap_uj * sum.gap_uj / 3;
        price(w, &e, &sum.all, sum.n == 1 ? (int64_t)(sum.whole + 0.5) : sum.updates);
    }
    *energy = e;
}

/* ---- shares of stretches, while the profiler runs -------------------------------------------- */

static double cumulative(const struct cn_watch *w, int64_t t_ns)
{
    double uj = 0;
    for (unsigned i = 0; i < w->opened.n_sources; i++)
        uj += cn_series_cumulative(&w->series[i], (double)t_ns);
    return uj;
}

/* Energy of shares[n] that meet: what the whole took, split by what each part took of it. Edges
 * within are less well known than the ends, but what one side gains there the other loses: they
 * count by how much the share changes. */
static void add_shares(const struct cn_watch *w, const struct cn_share *shares, size_t n,
                       struct sum *sum)
{
    if (sum->all.reason)
        return;
    const int64_t t0 = shares[0].t0_ns, t1 = shares[n - 1].t1_ns;
    const struct cn_estimate e = sources(w, t0, t1);
    if (e.reason) {
        sum->all.reason = e.reason;
        return;
    }
    const double length = (double)(t1 - t0), period = 0.5 * (double)bridge_ns(w);
    const double first = cumulative(w, t0), all = cumulative(w, t1) - first;
    double before = first, part = 0, edges = 0, busy = 0;
    for (size_t i = 0; i < n; i++) {
        const double until = cumulative(w, shares[i].t1_ns);
        part += shares[i].share * (until - before);
        before = until;
        busy += shares[i].share * (double)(shares[i].t1_ns - shares[i].t0_ns);
        const double step = i > 0 ? shares[i].share - shares[i - 1].share : 0;
        edges += step * step;
    }
    const double share = all > 0 ? part / all : busy / length, power = e.uj / length;
    sum->all.slow = e.slow;
    sum->all.uj += share * e.uj;
    sum->all.var_uj2 += share * share * e.var_uj2 + edges * power * power * period * period / 12;
    sum->whole = e.updates;
    sum->updates += (int64_t)e.updates;
    sum->n++;
}

void cn_attribute_shares(const struct cn_watch *w, const struct cn_share *shares, size_t n,
                         struct cn_energy *energy)
{
    struct cn_energy e = { .index = (int64_t)n };
    struct sum sum = { .n = 0 };
    double busy = 0;
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && shares[to].t0_ns == shares[to - 1].t1_ns; to++)
            ;
        add_shares(w, shares + from, to - from, &sum);
    }
    for (size_t i = 0; i < n; i++)
        busy += shares[i].share * (double)(shares[i].t1_ns - shares[i].t0_ns);
    if (n > 0) {
        e.t0_ns = shares[0].t0_ns;
        e.t1_ns = shares[n - 1].t1_ns;
    }
    e.busy_ns = (int64_t)busy;
    price(w, &e, &sum.all, sum.n == 1 ? (int64_t)(sum.whole + 0.5) : sum.updates);
    *energy = e;
}

/* ---- the idle baseline ----------------------------------------------------------------------- */

bool cn_attribute_idle(const struct cn_watch *w, int64_t t0_ns, int64_t t1_ns, struct cn_idle *idle)
{
    const struct cn_estimate e = sources(w, t0_ns, t1_ns);
    if (e.reason || e.updates + 0.5 < CN_MIN_UPDATES)
        return false;
    const double us = 1e-3 * (double)(t1_ns - t0_ns);
    *idle = (struct cn_idle){ .t_ns = 0.5 * ((double)t0_ns + (double)t1_ns),
                              .w = e.uj / us,
                              .var_w2 = e.var_uj2 / (us * us) };
    return true;
}

bool cn_attribute_baseline(const struct cn_profiler *p, struct cn_watch *w)
{
    free(w->idle);
    w->idle = NULL;
    w->n_idle = 0;
    size_t n = 0;
    for (size_t i = 0; i < p->n_phases; i++)
        n += !strcmp(p->phases[i].kind, "idle");
    if (n == 0 || !w->channel.info.ok)
        return true;
    struct cn_idle *idle = calloc(n, sizeof *idle);
    if (!idle)
        return false;
    n = 0;
    for (size_t i = 0; i < p->n_phases; i++) {
        const struct cn_phase *phase = &p->phases[i];
        if (strcmp(phase->kind, "idle") != 0 || phase->t1_ns <= phase->t0_ns)
            continue;
        n += cn_attribute_idle(w, phase->t0_ns, phase->t1_ns, &idle[n]);
    }
    w->idle = idle;
    w->n_idle = n;
    return true;
}

void cn_profiler_baseline(const struct cn_profiler *p, size_t channel, struct cn_baseline *baseline)
{
    const struct cn_watch *w = &p->watches[channel];
    struct cn_baseline b = { CN_UNKNOWN, CN_UNKNOWN, CN_UNKNOWN };
    double first = CN_UNKNOWN, last = CN_UNKNOWN; /* of the other phases */
    for (size_t i = 0; i < p->n_phases; i++) {
        if (!wanted(&p->phases[i], NULL))
            continue;
        if (isnan(first))
            first = (double)p->phases[i].t0_ns;
        last = fmax(last, (double)p->phases[i].t1_ns);
    }
    for (size_t i = 0; i < w->n_idle; i++) {
        if (!(w->idle[i].t_ns > first))
            b.before_w = w->idle[i].w;
        if (w->idle[i].t_ns >= last && isnan(b.after_w))
            b.after_w = w->idle[i].w;
    }
    double watts, var;
    if (idle_at(w, isnan(first) ? 0 : 0.5 * (first + last), &watts, &var))
        b.uncertainty_w = 1.96 * sqrt(var);
    *baseline = b;
}

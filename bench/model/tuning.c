/* SPDX-License-Identifier: MIT */
#include "bench/model/tuning.h"

#include "bench/machine/cpu_settings.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "bench/model/model_bench.h"
#include "bench/model/model_work.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 256 };

struct turn {
    size_t phase;
    double seconds; /* per token */
    int64_t tokens;
};

struct cn_tune {
    struct cn_candidate *candidates; /* prefill and decode of one way to run beside each other */
    struct turn *turns;              /* [candidate][round] */
    int n, n_rounds;
    enum cn_tune_goal goal;
    double n_prefill, n_decode;
};

const char *cn_tune_goal_name(enum cn_tune_goal goal)
{
    static const char *const names[CN_TUNE_N_GOALS] = { "time", "energy", "edp" };
    return (unsigned)goal < CN_TUNE_N_GOALS ? names[goal] : NULL;
}

/* Passes of n tokens until the time is over. */
static enum cn_status measure(struct cn_session *session, const struct cn_tune_options *o,
                              const int32_t *tokens, int32_t n, struct turn *t,
                              struct cn_error *err)
{
    struct cn_work told;
    cn_session_work(session, &told);
    t->phase = cn_profiler_n_phases(o->profiler);
    cn_profiler_phase_begin(o->profiler, "tune", (int64_t)t->phase);
    double t0 = cn_seconds(), t1 = t0;
    enum cn_status status = CN_OK;
    for (t->tokens = 0; status == CN_OK && t1 - t0 < o->seconds; t->tokens += n) {
        int32_t at = cn_session_position(session);
        if (at + n > cn_session_n_ctx(session)) {
            status = cn_session_rewind(session, 0, err);
            at = 0;
        }
        if (status == CN_OK)
            status = cn_session_eval(session, tokens + at, n, CN_WANT_LAST, err);
        t1 = cn_seconds();
    }
    cn_report_work(o->profiler, session, &told);
    cn_profiler_phase_end(o->profiler);
    t->seconds = (t1 - t0) / (double)t->tokens;
    return status;
}

static enum cn_status turn(const struct cn_model *model, const struct cn_tune_options *o,
                           const int32_t *tokens, const struct cn_candidate *c,
                           struct turn *prefill, struct turn *decode, struct cn_error *err)
{
    int32_t n_ctx = o->n_prefill > o->n_decode ? o->n_prefill : o->n_decode;
    struct cn_session_options options = {
        .n_ctx = n_ctx,
        .n_batch = o->n_prefill,
        .n_threads = c->threads,
        .sleep = c->sleep,
        .callbacks = {.cancel = o->cancel, .user = o->user}
    };
    struct cn_session *session;
    CN_TRY(cn_session_create(model, &options, &session, err));
    enum cn_status status = cn_session_eval(session, tokens, o->n_prefill, CN_WANT_LAST, err);
    if (status == CN_OK)
        status = measure(session, o, tokens, o->n_prefill, prefill, err);
    if (status == CN_OK)
        status = cn_session_rewind(session, 0, err);
    if (status == CN_OK)
        status = measure(session, o, tokens, 1, decode, err);
    cn_session_free(session);
    return status;
}

static void design(const struct cn_tune_options *o, struct cn_tune *t)
{
    const double nan = (double)NAN;
    for (int set = 0; set < o->n_sets; set++)
        for (int k = 0; k < o->n_threads; k++)
            /* A single thread waits for nobody. */
            for (int sleep = 0; sleep < (o->threads[k] > 1 ? 2 : 1); sleep++)
                for (int decode = 0; decode < 2 && o->threads[k] <= o->sets[set].n; decode++)
                    t->candidates[t->n++] = (struct cn_candidate){ .set = set,
                                                                   .threads = o->threads[k],
                                                                   .sleep = sleep,
                                                                   .decode = decode,
                                                                   .joules = nan,
                                                                   .j_lo = nan,
                                                                   .j_hi = nan };
}

/* False if some of the cores are unplugged, or outside of the cpuset: on the rest it would be
 * another candidate than it says. */
static bool stay_on(const struct cn_core_set *set)
{
    cpu_set_t now;
    return sched_setaffinity(0, sizeof set->cpus, &set->cpus) == 0 &&
           sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &set->cpus);
}

/* Takes the candidates of sets that are lost out of the tune. */
static void drop(struct cn_tune *t, const bool *lost)
{
    const size_t n_rounds = (size_t)t->n_rounds;
    int kept = 0;
    for (int i = 0; i < t->n; i++) {
        if (lost[t->candidates[i].set])
            continue;
        t->candidates[kept] = t->candidates[i];
        memmove(&t->turns[(size_t)kept++ * n_rounds], &t->turns[(size_t)i * n_rounds],
                n_rounds * sizeof *t->turns);
    }
    t->n = kept;
}

static enum cn_status rounds(const struct cn_model *model, const struct cn_tune_options *o,
                             const int32_t *tokens, struct cn_tune *t, bool *lost,
                             struct cn_error *err)
{
    const int ways = t->n / 2;
    int *order = malloc((size_t)ways * sizeof *order + 1);
    uint64_t state = 1;
    enum cn_status status = order ? CN_OK : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    for (int i = 0; order && i < ways; i++)
        order[i] = i;
    for (int round = 0; round < o->n_rounds; round++)
        for (int i = ways; i-- > 0 && status == CN_OK;) {
            int k = (int)(cn_lcg_next(&state) % (uint32_t)(i + 1)), way = order[k];
            order[k] = order[i];
            order[i] = way;
            if (o->progress)
                o->progress(o->user, round * ways + ways - 1 - i, (double)ways * o->n_rounds);
            const int set = t->candidates[2 * way].set;
            /* The threads of a session are made on the cores of this one. */
            if (!lost[set] && !stay_on(&o->sets[set])) {
                lost[set] = true;
                if (o->lost)
                    o->lost(o->user, &o->sets[set]);
            }
            if (lost[set])
                continue;
            struct turn *turns = &t->turns[2 * way * t->n_rounds + round];
            const struct cn_cpu_settings limit = { .mhz = o->sets[set].mhz };
            struct cn_cpu_hold *hold = NULL;
            if (limit.mhz > 0)
                status = cn_cpu_settings_apply(o->root, &limit, &hold, err);
            if (status == CN_OK)
                status = turn(model, o, tokens, &t->candidates[2 * way], turns, turns + t->n_rounds,
                              err);
            const enum cn_status released =
                cn_cpu_settings_release(hold, status == CN_OK ? err : NULL);
            status = status == CN_OK ? released : status;
        }
    free(order);
    drop(t, lost);
    CN_RETURN_IF(status == CN_OK && t->n == 0, CN_ERR_IO, err,
                 "expected cores that this process may use, found none of %s%s", o->sets[0].list,
                 o->n_sets > 1 ? " and the other sets" : "");
    return status;
}

enum cn_status cn_tune_run(const struct cn_model *model, const struct cn_tune_options *o,
                           struct cn_tune **tune, struct cn_error *err)
{
    CN_RETURN_IF(o->n_rounds < 2 || o->n_rounds > MOST_ROUNDS || o->n_prefill < 1 ||
                     o->n_decode < 1 || o->n_sets < 1 || o->n_threads < 1,
                 CN_ERR_ARGUMENT, err,
                 "tuning: cores, threads, tokens, and 2 to %d rounds expected", MOST_ROUNDS);
    cpu_set_t before;
    CN_RETURN_IF(sched_getaffinity(0, sizeof before, &before) != 0, CN_ERR_IO, err,
                 "cannot tell the cores of this process");
    const size_t most = 4 * (size_t)o->n_sets * (size_t)o->n_threads;
    struct cn_tune *t = calloc(1, sizeof *t);
    int32_t n_tokens = o->n_prefill > o->n_decode ? o->n_prefill : o->n_decode;
    bool *lost = calloc((size_t)o->n_sets, sizeof *lost);
    int32_t *tokens = cn_bench_tokens(n_tokens, cn_model_get_info(model)->n_vocab);
    enum cn_status status = CN_OK;
    if (t) {
        *t = (struct cn_tune){ .n_rounds = o->n_rounds,
                               .goal = o->goal,
                               .n_prefill = o->n_prefill,
                               .n_decode = o->n_decode };
        t->candidates = calloc(most, sizeof *t->candidates);
        t->turns = calloc(most * (size_t)o->n_rounds, sizeof *t->turns);
    }
    if (!t || !tokens || !lost || !t->candidates || !t->turns) {
        status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
    } else {
        design(o, t);
        status = rounds(model, o, tokens, t, lost, err);
        sched_setaffinity(0, sizeof before, &before);
    }
    free(tokens);
    free(lost);
    if (status == CN_OK)
        *tune = t;
    else
        cn_tune_free(t);
    return status;
}

void cn_tune_free(struct cn_tune *t)
{
    if (t) {
        free(t->candidates);
        free(t->turns);
    }
    free(t);
}

/* ---- choosing -------------------------------------------------------------------------------- */

static double goal_cost(enum cn_tune_goal goal, double seconds, double joules)
{
    return goal == CN_TUNE_TIME ? seconds : goal == CN_TUNE_ENERGY ? joules : seconds * joules;
}

static const char *price(const struct cn_tune *t, const struct cn_profiler *p, int i)
{
    struct cn_candidate *c = &t->candidates[i];
    double s[MOST_ROUNDS], j[MOST_ROUNDS], cost[MOST_ROUNDS];
    const size_t n = (size_t)t->n_rounds;
    const char *why = NULL;
    bool joules = true;
    for (size_t k = 0; k < n; k++) {
        const struct turn *turn = &t->turns[(size_t)i * n + k];
        struct cn_energy e;
        cn_profiler_phase(p, 0, turn->phase, &e);
        s[k] = turn->seconds;
        j[k] = e.joules / (double)turn->tokens;
        cost[k] = goal_cost(t->goal, s[k], j[k]);
        joules = joules && isfinite(j[k]);
        why = e.reason ? e.reason : why;
    }
    c->seconds = cn_median(s, n);
    cn_median_interval(s, n, &c->s_lo, &c->s_hi);
    if (joules) {
        c->joules = cn_median(j, n);
        cn_median_interval(j, n, &c->j_lo, &c->j_hi);
    }
    c->cost = c->lo = c->hi = (double)NAN;
    if (joules || t->goal == CN_TUNE_TIME) {
        c->cost = cn_median(cost, n);
        cn_median_interval(cost, n, &c->lo, &c->hi);
        why = NULL;
    }
    return why;
}

/* Whether both can be parts of one run: on the same cores, waiting in the same way. */
static bool together(const struct cn_candidate *a, const struct cn_candidate *b)
{
    return a->set == b->set && (a->sleep == b->sleep || a->threads == 1 || b->threads == 1);
}

const struct cn_candidate *cn_tune_choose(struct cn_tune *t, const struct cn_profiler *profiler,
                                          int *n, const char **why)
{
    *n = t->n;
    *why = NULL;
    for (int i = 0; i < t->n; i++) {
        const char *unknown = price(t, profiler, i);
        t->candidates[i].chosen = false;
        *why = unknown ? unknown : *why;
    }
    struct cn_candidate *prefill = NULL, *decode = NULL;
    double best = (double)INFINITY;
    for (int a = 0; a < t->n; a += 2)
        for (int b = 1; b < t->n; b += 2) {
            struct cn_candidate *p = &t->candidates[a], *d = &t->candidates[b];
            double seconds = t->n_prefill * p->seconds + t->n_decode * d->seconds;
            double joules = t->n_prefill * p->joules + t->n_decode * d->joules;
            double cost = goal_cost(t->goal, seconds, joules);
            if (together(p, d) && cost < best) {
                best = cost;
                prefill = p;
                decode = d;
            }
        }
    if (!prefill) {
        *why = *why ? *why : "nothing could be measured";
        return NULL;
    }
    *why = NULL;
    prefill->chosen = decode->chosen = true;
    return t->candidates;
}

/* SPDX-License-Identifier: MIT */
#include "bench/model/op_watts.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "bench/model/model_work.h"
#include "bench/model/spans.h"
#include "bench/stats/distributions.h"
#include "bench/stats/least_squares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_TIMES = 200, /* that an op is done in a row */
    REST = CN_N_OPS,  /* index of what is in no span */
    N_PARTS,
};

/* Op kinds below this share of the time are not told apart. */
static const double least_share = 0.01;

struct repetition {
    size_t phase;
    double seconds[N_PARTS];
};

struct cn_op_mix {
    struct repetition *reps;
    size_t n_reps;
    double plain[N_PARTS]; /* seconds per token of an ordinary pass */
    int mixes[N_PARTS];    /* the op that a mix repeats, or REST: none */
    int n_mixes;
};

struct runner {
    const struct cn_bench_options *bench;
    struct cn_session *session;
    struct cn_spans spans;
    int32_t *tokens;
    uint64_t random;
};

static uint32_t draw(struct runner *r, uint32_t below)
{
    return cn_lcg_next(&r->random) % below;
}

/* Passes until `seconds` are over, as one phase if index >= 0. *n: tokens. */
static enum cn_status repetition(struct runner *r, double seconds, int64_t index,
                                 double parts[N_PARTS], int64_t *n, struct cn_error *err)
{
    const struct cn_bench_options *o = r->bench;
    cn_spans_clear(&r->spans);
    *n = 0;
    r->spans.on = true;
    struct cn_work told;
    cn_session_work(r->session, &told);
    if (index >= 0)
        cn_profiler_phase_begin(o->profiler, "mix", index);
    double t0 = cn_seconds(), t1 = t0;
    enum cn_status status = CN_OK;
    while (status == CN_OK && t1 - t0 < seconds) {
        int32_t depth = o->depth, at = cn_session_position(r->session);
        if (at + (o->decode ? 1 : o->n_tokens) > cn_session_n_ctx(r->session)) {
            status = cn_session_rewind(r->session, depth, err);
            at = depth;
        }
        int32_t now = o->decode ? 1 : o->n_tokens;
        if (status == CN_OK)
            status = cn_session_eval(r->session, r->tokens + at, now, CN_WANT_LAST, err);
        *n += now;
        t1 = cn_seconds();
    }
    cn_report_work(o->profiler, r->session, &told);
    if (index >= 0)
        cn_profiler_phase_end(o->profiler);
    r->spans.on = false;
    parts[REST] = t1 - t0;
    for (int op = 0; op < CN_N_OPS; op++) {
        parts[op] = 1e-9 * (double)cn_spans_of_op(&r->spans, (enum cn_op)op);
        parts[REST] -= parts[op];
    }
    return status;
}

static double total(const double parts[N_PARTS])
{
    double sum = 0;
    for (int i = 0; i < N_PARTS; i++)
        sum += parts[i];
    return sum;
}

/* One mix for each op kind that matters; how often it has to be done to take three quarters of
 * the time. */
static void plan(struct cn_op_mix *m, int times[CN_N_OPS])
{
    double all = total(m->plain);
    m->mixes[m->n_mixes++] = REST;
    for (int op = 0; op < CN_N_OPS; op++) {
        times[op] = 1;
        if (m->plain[op] < least_share * all)
            continue;
        double wanted = ceil(3 * (all - m->plain[op]) / m->plain[op]);
        times[op] = (int)fmin(MOST_TIMES, fmax(2, wanted));
        m->mixes[m->n_mixes++] = op;
    }
}

static enum cn_status rounds(struct runner *r, const struct cn_op_mix_options *o,
                             struct cn_op_mix *m, struct cn_error *err)
{
    int times[CN_N_OPS];
    int64_t n;
    /* Once to warm up, once to see what takes how long. */
    for (int i = 0; i < 2; i++)
        CN_TRY(repetition(r, o->seconds, -1, m->plain, &n, err));
    for (int i = 0; i < N_PARTS; i++)
        m->plain[i] /= (double)n;
    plan(m, times);
    m->reps = calloc((size_t)o->n_rounds * (size_t)m->n_mixes, sizeof *m->reps);
    CN_RETURN_IF(!m->reps, CN_ERR_MEMORY, err, "out of memory");
    double sums[N_PARTS] = { 0 }, tokens = 0;
    for (int32_t round = 0; round < o->n_rounds; round++) {
        int order[N_PARTS];
        memcpy(order, m->mixes, sizeof order);
        for (int i = m->n_mixes; i-- > 0;) {
            int k = (int)draw(r, (uint32_t)i + 1), op = order[k];
            order[k] = order[i];
            struct repetition *rep = &m->reps[m->n_reps];
            rep->phase = cn_profiler_n_phases(r->bench->profiler);
            if (op != REST)
                r->spans.repeat[op] = times[op];
            enum cn_status status =
                repetition(r, o->seconds, (int64_t)m->n_reps, rep->seconds, &n, err);
            if (op != REST)
                r->spans.repeat[op] = 1;
            CN_TRY(status);
            m->n_reps++;
            if (op == REST) {
                tokens += (double)n;
                for (int part = 0; part < N_PARTS; part++)
                    sums[part] += rep->seconds[part];
            }
        }
    }
    for (int part = 0; part < N_PARTS; part++)
        m->plain[part] = sums[part] / tokens;
    return CN_OK;
}

enum cn_status cn_op_mix_run(const struct cn_model *model, const struct cn_bench_options *bench,
                             const struct cn_op_mix_options *options, struct cn_op_mix **mix,
                             struct cn_error *err)
{
    const struct cn_model_info *info = cn_model_get_info(model);
    const int32_t n = bench->depth + bench->n_tokens;
    CN_RETURN_IF(bench->n_tokens < 1 || bench->depth < 0 || n < 1 || options->n_rounds < 2 ||
                     options->n_rounds > 1000 || !bench->profiler,
                 CN_ERR_ARGUMENT, err,
                 "watts per op: 1 token or more in 2 to 1000 rounds expected");
    struct runner r = { .bench = bench, .random = 1 };
    struct cn_op_mix *m = calloc(1, sizeof *m);
    r.tokens = cn_bench_tokens(n, info->n_vocab);
    enum cn_status status = CN_OK;
    if (!m || !r.tokens || !cn_spans_init(&r.spans, info->n_layer))
        status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
    r.spans.told = options->told;
    r.spans.cancel = bench->cancel;
    r.spans.user = bench->user;
    struct cn_session_options session = { .n_ctx = n,
                                          .n_batch = bench->n_batch,
                                          .n_threads = bench->n_threads,
                                          .kv = bench->kv,
                                          .fast = bench->fast,
                                          .sleep = bench->sleep,
                                          .callbacks = cn_spans_callbacks(&r.spans) };
    if (status == CN_OK)
        status = cn_session_create(model, &session, &r.session, err);
    if (status == CN_OK && bench->depth)
        status = cn_session_eval(r.session, r.tokens, bench->depth, CN_WANT_NONE, err);
    if (status == CN_OK)
        status = rounds(&r, options, m, err);
    cn_session_free(r.session);
    cn_spans_free(&r.spans);
    free(r.tokens);
    if (status == CN_OK)
        *mix = m;
    else
        cn_op_mix_free(m);
    return status;
}

void cn_op_mix_free(struct cn_op_mix *m)
{
    if (m)
        free(m->reps);
    free(m);
}

/* ---- solving --------------------------------------------------------------------------------- */

/* Column of a part: op kinds with a mix of their own, then the rest. */
static int column(const struct cn_op_mix *m, int part)
{
    for (int i = 1; i < m->n_mixes; i++)
        if (m->mixes[i] == part)
            return i - 1;
    return m->n_mixes - 1;
}

static void describe(const struct cn_op_mix *m, struct cn_op_watts_result *r)
{
    double all = total(m->plain);
    r->n_ops = r->n_mixes = m->n_mixes;
    for (int c = 0; c < r->n_ops; c++) {
        double nan = (double)NAN;
        r->ops[c] = (struct cn_op_watts){ .watts = nan, .lo = nan, .hi = nan, .j_per_token = nan };
        r->ops[c].ops = c + 1 < r->n_ops ? cn_op_name((enum cn_op)m->mixes[c + 1]) : "rest";
    }
    for (int part = 0; part < N_PARTS; part++) {
        struct cn_op_watts *op = &r->ops[column(m, part)];
        op->share += m->plain[part] / all;
        op->ms += 1e3 * m->plain[part];
    }
}

static void solve(const struct cn_op_mix *m, const struct cn_profiler *p, double *x, double *y,
                  double *sigma, struct cn_op_watts_result *r)
{
    const size_t k = (size_t)r->n_ops;
    size_t n = 0;
    for (size_t i = 0; i < m->n_reps; i++) {
        struct cn_energy e;
        cn_profiler_phase(p, 0, m->reps[i].phase, &e);
        r->status = e.status;
        if (e.status != CN_ENERGY_MEASURED && e.status != CN_ENERGY_MODELLED) {
            r->reason = e.reason;
            continue;
        }
        memset(x + n * k, 0, k * sizeof *x);
        for (int part = 0; part < N_PARTS; part++)
            x[n * k + (size_t)column(m, part)] += m->reps[i].seconds[part];
        y[n] = e.joules;
        /* A model states no uncertainty; its scatter then says what there is to say. */
        sigma[n++] = e.uncertainty > 0 ? e.uncertainty / 1.96 : 0.01 * e.joules;
    }
    r->n_reps = (int64_t)n;
    struct cn_least_squares fit;
    const char *why;
    bool modelled = cn_profiler_channel(p, 0)->modelled;
    if (!cn_least_squares(x, y, sigma, modelled, n, k, &fit, &why)) {
        if (n) {
            r->status = CN_ENERGY_UNRESOLVED;
            r->reason = why;
        }
        return;
    }
    r->status = modelled ? CN_ENERGY_MODELLED : CN_ENERGY_MEASURED;
    r->reason = NULL;
    /* Bonferroni: all of the k intervals hold together. */
    double t = cn_student_quantile(1 - 0.025 / (double)k, (double)(n - k));
    for (size_t c = 0; c < k; c++) {
        struct cn_op_watts *op = &r->ops[c];
        double half = t * sqrt(fit.cov[c][c]);
        op->watts = fit.beta[c];
        op->lo = op->watts - half;
        op->hi = op->watts + half;
        op->j_per_token = 1e-3 * op->ms * op->watts;
    }
}

void cn_op_mix_solve(const struct cn_op_mix *m, const struct cn_profiler *p,
                     struct cn_op_watts_result *r)
{
    *r = (struct cn_op_watts_result){ .status = CN_ENERGY_UNRESOLVED, .reason = "out of memory" };
    describe(m, r);
    double *rows = malloc(m->n_reps * ((size_t)r->n_ops + 2) * sizeof *rows);
    if (rows)
        solve(m, p, rows, rows + m->n_reps * (size_t)r->n_ops,
              rows + m->n_reps * ((size_t)r->n_ops + 1), r);
    free(rows);
}

/* SPDX-License-Identifier: MIT */
#include "bench/model/model_bench.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "bench/model/generate.h"
#include "bench/model/model_work.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_REPS = 256 };

int32_t *cn_bench_tokens(int32_t n, int32_t n_vocab)
{
    int32_t *tokens = malloc((size_t)n * sizeof *tokens);
    uint64_t state = 42;
    for (int32_t i = 0; tokens && i < n; i++) {
        tokens[i] = (int32_t)(cn_lcg_next(&state) % (uint32_t)n_vocab);
    }
    return tokens;
}

/* Evaluates n tokens, one by one if `decode`, as one phase. */
static enum cn_status once(struct cn_session *session, const struct cn_bench_options *o,
                           const int32_t *tokens, int32_t n, int64_t index, double *seconds,
                           struct cn_error *err)
{
    enum cn_status status = CN_OK;
    struct cn_work told;
    cn_session_work(session, &told);
    if (o->spans)
        o->spans->on = index >= 0;
    if (o->profiler && index >= 0)
        cn_profiler_phase_begin(o->profiler, o->decode ? "decode" : "prefill", index);
    double t0 = cn_seconds();
    if (o->decode)
        for (int32_t i = 0; i < n && status == CN_OK; i++)
            status = cn_session_eval(session, tokens + i, 1, CN_WANT_LAST, err);
    else
        status = cn_session_eval(session, tokens, n, CN_WANT_LAST, err);
    *seconds = cn_seconds() - t0;
    cn_report_work(o->profiler, session, &told);
    if (o->profiler && index >= 0)
        cn_profiler_phase_end(o->profiler);
    if (o->spans)
        o->spans->on = false;
    return status;
}

static enum cn_status repeat(struct cn_session *session, const struct cn_bench_options *o,
                             const int32_t *tokens, struct cn_bench_result *r, struct cn_error *err)
{
    double tps[MAX_REPS], share[MAX_REPS], limits[MAX_REPS + 1], seconds;
    if (o->depth)
        CN_TRY(cn_session_eval(session, tokens, o->depth, CN_WANT_NONE, err));
    r->busy_ns = 0;
    r->first_phase = o->profiler ? cn_profiler_n_phases(o->profiler) : 0;
    for (int32_t i = -1; i < o->n_reps; i++) {
        /* The warm-up of a decode need not be long. */
        int32_t n = i < 0 && o->decode && o->n_tokens > 16 ? 16 : o->n_tokens;
        CN_TRY(once(session, o, tokens + o->depth, n, i, &seconds, err));
        CN_TRY(cn_session_rewind(session, o->depth, err));
        limits[i + 1] = o->limit ? o->limit(o->user) : (double)NAN;
        if (i < 0)
            continue;
        tps[i] = n / seconds;
        r->busy_ns += (int64_t)(seconds * 1e9);
        share[i] = tps[i] / ((limits[i] + limits[i + 1]) / 2);
    }
    r->n_phases = o->profiler ? cn_profiler_n_phases(o->profiler) - r->first_phase : 0;
    r->total_tokens = (int64_t)o->n_reps * o->n_tokens;
    r->limit = cn_median(limits, (size_t)o->n_reps + 1);
    r->per_limit = cn_median(share, (size_t)o->n_reps);
    r->tps_median = cn_median(tps, (size_t)o->n_reps);
    cn_median_interval(tps, (size_t)o->n_reps, &r->tps_lo, &r->tps_hi);
    return CN_OK;
}

enum cn_status cn_model_bench(const struct cn_model *model, const struct cn_bench_options *o,
                              struct cn_bench_result *result, struct cn_error *err)
{
    CN_RETURN_IF(o->n_reps < 1 || o->n_reps > MAX_REPS, CN_ERR_ARGUMENT, err,
                 "repetitions: 1 to %d expected, %d given", MAX_REPS, o->n_reps);
    CN_RETURN_IF(
        o->n_tokens < 1 || o->depth < 0 || o->depth > INT32_MAX - o->n_tokens, CN_ERR_ARGUMENT, err,
        "tokens and depth: positive numbers expected, %d and %d given", o->n_tokens, o->depth);
    struct cn_session_options options = {
        .n_ctx = o->depth + o->n_tokens,
        .n_batch = o->n_batch,
        .n_threads = o->n_threads,
        .kv = o->kv,
        .fast = o->fast,
        .sleep = o->sleep,
        .callbacks = {.cancel = o->cancel, .user = o->user}
    };
    if (o->spans) {
        o->spans->cancel = o->cancel;
        o->spans->user = o->user;
        options.callbacks = cn_spans_callbacks(o->spans);
    }
    struct cn_session *session;
    CN_TRY(cn_session_create(model, &options, &session, err));
    int32_t *tokens = cn_bench_tokens(o->depth + o->n_tokens, cn_model_get_info(model)->n_vocab);
    enum cn_status status = tokens ? repeat(session, o, tokens, result, err)
                                   : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    free(tokens);
    cn_session_free(session);
    return status;
}

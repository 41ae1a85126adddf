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

/* The sequences of a test. */
struct lanes {
    struct cn_group *group;
    struct cn_session *each[CN_MAX_LANES];
    struct cn_work told[CN_MAX_LANES]; /* to the profiler */
    int32_t n;
};

/* The next token of every lane, whose tokens lie `stride` apart. */
static enum cn_status decode_one(const struct lanes *lanes, const int32_t *tokens, int32_t stride,
                                 struct cn_error *err)
{
    struct cn_step steps[CN_MAX_LANES];
    for (int32_t k = 0; k < lanes->n; k++)
        steps[k] = (struct cn_step){ lanes->each[k], tokens + k * stride, 1, CN_WANT_LAST };
    return cn_group_eval(lanes->group, steps, (size_t)lanes->n, err);
}

/* Evaluates n tokens, of each lane one by one if `decode`, as one phase. */
static enum cn_status once(struct lanes *lanes, const struct cn_bench_options *o,
                           const int32_t *tokens, int32_t n, int64_t index, double *seconds,
                           struct cn_error *err)
{
    enum cn_status status = CN_OK;
    for (int32_t k = 0; k < lanes->n; k++)
        cn_session_work(lanes->each[k], &lanes->told[k]);
    if (o->spans)
        o->spans->on = index >= 0;
    if (o->profiler && index >= 0)
        cn_profiler_phase_begin(o->profiler, o->decode ? "decode" : "prefill", index);
    double t0 = cn_seconds();
    if (o->decode)
        for (int32_t i = 0; i < n && status == CN_OK; i++)
            status = decode_one(lanes, tokens + i, o->n_tokens, err);
    else
        status = cn_session_eval(lanes->each[0], tokens, n, CN_WANT_LAST, err);
    *seconds = cn_seconds() - t0;
    for (int32_t k = 0; k < lanes->n; k++)
        cn_report_work(o->profiler, lanes->each[k], &lanes->told[k]);
    if (o->profiler && index >= 0)
        cn_profiler_phase_end(o->profiler);
    if (o->spans)
        o->spans->on = false;
    return status;
}

/* All lanes behind the first `depth` tokens. */
static enum cn_status fill(const struct lanes *lanes, const int32_t *tokens, int32_t depth,
                           struct cn_error *err)
{
    if (depth == 0)
        return CN_OK;
    CN_TRY(cn_session_eval(lanes->each[0], tokens, depth, CN_WANT_NONE, err));
    for (int32_t k = 1; k < lanes->n; k++)
        CN_TRY(cn_session_fork(lanes->each[k], lanes->each[0], err));
    return CN_OK;
}

static enum cn_status repeat(struct lanes *lanes, const struct cn_bench_options *o,
                             const int32_t *tokens, struct cn_bench_result *r, struct cn_error *err)
{
    double tps[MAX_REPS], share[MAX_REPS], limits[MAX_REPS + 1], seconds;
    CN_TRY(fill(lanes, tokens, o->depth, err));
    r->busy_ns = 0;
    r->first_phase = o->profiler ? cn_profiler_n_phases(o->profiler) : 0;
    for (int32_t i = -1; i < o->n_reps; i++) {
        /* The warm-up of a decode need not be long. */
        int32_t n = i < 0 && o->decode && o->n_tokens > 16 ? 16 : o->n_tokens;
        CN_TRY(once(lanes, o, tokens + o->depth, n, i, &seconds, err));
        for (int32_t k = 0; k < lanes->n; k++)
            CN_TRY(cn_session_rewind(lanes->each[k], o->depth, err));
        limits[i + 1] = o->limit ? o->limit(o->user) : (double)NAN;
        if (i < 0)
            continue;
        tps[i] = n * lanes->n / seconds;
        r->busy_ns += (int64_t)(seconds * 1e9);
        share[i] = tps[i] / ((limits[i] + limits[i + 1]) / 2);
    }
    r->n_phases = o->profiler ? cn_profiler_n_phases(o->profiler) - r->first_phase : 0;
    r->total_tokens = (int64_t)o->n_reps * o->n_tokens * lanes->n;
    r->limit = cn_median(limits, (size_t)o->n_reps + 1);
    r->per_limit = cn_median(share, (size_t)o->n_reps);
    r->tps_median = cn_median(tps, (size_t)o->n_reps);
    cn_median_interval(tps, (size_t)o->n_reps, &r->tps_lo, &r->tps_hi);
    return CN_OK;
}

static enum cn_status open_lanes(const struct cn_model *model,
                                 const struct cn_session_options *options, int32_t n,
                                 struct lanes *lanes, struct cn_error *err)
{
    CN_TRY(cn_group_create(model, options, n, &lanes->group, err));
    for (; lanes->n < n; lanes->n++)
        CN_TRY(cn_group_join(lanes->group, &lanes->each[lanes->n], err));
    return CN_OK;
}

static void close_lanes(struct lanes *lanes)
{
    for (int32_t k = 0; k < lanes->n; k++)
        cn_session_free(lanes->each[k]);
    cn_group_free(lanes->group);
}

struct cn_session_options cn_bench_session(const struct cn_bench_options *o, int32_t n_ctx)
{
    return (struct cn_session_options){
        .n_ctx = n_ctx,
        .n_batch = o->n_batch,
        .n_threads = o->n_threads,
        .kv = o->kv,
        .fast = o->fast,
        .sleep = o->sleep,
        .callbacks = {.cancel = o->cancel, .user = o->user}
    };
}

enum cn_status cn_model_bench(const struct cn_model *model, const struct cn_bench_options *o,
                              struct cn_bench_result *result, struct cn_error *err)
{
    CN_RETURN_IF(o->n_reps < 1 || o->n_reps > MAX_REPS, CN_ERR_ARGUMENT, err,
                 "repetitions: 1 to %d expected, %d given", MAX_REPS, o->n_reps);
    CN_RETURN_IF(
        o->n_tokens < 1 || o->depth < 0 || o->depth > INT32_MAX - o->n_tokens, CN_ERR_ARGUMENT, err,
        "tokens and depth: positive numbers expected, %d and %d given", o->n_tokens, o->depth);
    CN_RETURN_IF(o->n_lanes > (o->decode ? CN_MAX_LANES : 1) || o->n_lanes < 0 ||
                     o->n_lanes > (INT32_MAX - o->depth) / o->n_tokens,
                 CN_ERR_ARGUMENT, err, "lanes: 1 to %d expected, %d given",
                 o->decode ? CN_MAX_LANES : 1, o->n_lanes);
    struct cn_session_options options = cn_bench_session(o, o->depth + o->n_tokens);
    if (o->spans) {
        o->spans->cancel = o->cancel;
        o->spans->user = o->user;
        options.callbacks = cn_spans_callbacks(o->spans);
    }
    const int32_t n_lanes = o->n_lanes ? o->n_lanes : 1;
    struct lanes lanes = { 0 };
    int32_t *tokens =
        cn_bench_tokens(o->depth + n_lanes * o->n_tokens, cn_model_get_info(model)->n_vocab);
    enum cn_status status = tokens ? open_lanes(model, &options, n_lanes, &lanes, err)
                                   : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    if (status == CN_OK)
        status = repeat(&lanes, o, tokens, result, err);
    free(tokens);
    close_lanes(&lanes);
    return status;
}

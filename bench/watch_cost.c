/* SPDX-License-Identifier: MIT */
#include "bench/watch_cost.h"

#include "bench/model_bench.h"
#include "bench/probe.h"
#include "bench/stats.h"
#include "engine/error.h"

#include <stdlib.h>

enum { MOST_PAIRS = 256, CONTEXT = 128 };

/* Decodes n tokens, in a context that begins anew when it is full. */
static enum cn_status decode(struct cn_session *session, const int32_t *tokens, int32_t n,
                             struct cn_profiler *profiler, double *seconds, struct cn_error *err)
{
    struct cn_profiler_error why;
    if (profiler && cn_profiler_start(profiler, &why) != 0)
        return cn_fail(err, CN_ERR_IO, "%s", why.text);
    enum cn_status status = cn_session_rewind(session, 0, err);
    double t0 = cn_seconds();
    for (int32_t i = 0; i < n && status == CN_OK; i++) {
        if (profiler)
            cn_profiler_phase_begin(profiler, "decode", i);
        if (cn_session_position(session) == CONTEXT)
            status = cn_session_rewind(session, 0, err);
        if (status == CN_OK)
            status = cn_session_eval(session, tokens + i % CONTEXT, 1, CN_WANT_LAST, err);
        if (profiler)
            cn_profiler_phase_end(profiler);
    }
    *seconds = cn_seconds() - t0;
    if (profiler && cn_profiler_stop(profiler, &why) != 0 && status == CN_OK)
        return cn_fail(err, CN_ERR_IO, "%s", why.text);
    return status;
}

static enum cn_status pairs(struct cn_session *session, const int32_t *tokens,
                            const struct cn_watch_cost_options *o, struct cn_watch_cost *cost,
                            struct cn_error *err)
{
    double off[MOST_PAIRS], on[MOST_PAIRS], share[MOST_PAIRS], seconds = 0;
    int32_t n = 16;
    /* Warm-up, and how many tokens there are to be. */
    for (; n < 1 << 24; n *= 2) {
        CN_TRY(decode(session, tokens, n, NULL, &seconds, err));
        if (seconds >= o->seconds)
            break;
    }
    const size_t n_pairs = (size_t)o->n_pairs;
    for (size_t i = 0; i < n_pairs; i++) {
        for (int half = 0; half < 2; half++) {
            bool watch = (half ^ (int)(i & 1)) != 0; /* the order changes from pair to pair */
            CN_TRY(decode(session, tokens, n, watch ? o->profiler : NULL, &seconds, err));
            (watch ? on : off)[i] = n / seconds;
        }
        share[i] = 1 - on[i] / off[i];
    }
    cost->n_tokens = n;
    cost->cost = cn_median(share, n_pairs);
    cn_median_interval(share, n_pairs, &cost->lo, &cost->hi);
    cost->tps_off = cn_median(off, n_pairs);
    cost->tps_on = cn_median(on, n_pairs);
    return CN_OK;
}

enum cn_status cn_watch_cost_measure(const struct cn_model *model,
                                     const struct cn_watch_cost_options *o,
                                     struct cn_watch_cost *cost, struct cn_error *err)
{
    CN_RETURN_IF(o->n_pairs < 1 || o->n_pairs > MOST_PAIRS || !o->profiler, CN_ERR_ARGUMENT, err,
                 "the cost of watching: 1 to %d pairs and a profiler expected", MOST_PAIRS);
    struct cn_session_options options = {
        .n_ctx = CONTEXT,
        .n_threads = o->n_threads,
        .callbacks = {.cancel = o->cancel, .user = o->user},
    };
    struct cn_session *session;
    CN_TRY(cn_session_create(model, &options, &session, err));
    int32_t *tokens = cn_bench_tokens(CONTEXT, cn_model_get_info(model)->n_vocab);
    enum cn_status status = tokens ? pairs(session, tokens, o, cost, err)
                                   : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    free(tokens);
    cn_session_free(session);
    return status;
}

/* SPDX-License-Identifier: MIT */
#include "bench/model/watch_cost.h"

#include "base/clock.h"
#include "base/error.h"
#include "bench/model/model_bench.h"
#include "bench/stats/stats.h"

#include <stdlib.h>

/* Each half is timed in blocks, and their median counts: other programs come in bursts, what
 * watching takes does not. */
enum { MOST_PAIRS = 256, CONTEXT = 128, BLOCKS = 16 };

/* Decodes n tokens (a multiple of BLOCKS), in a context that begins anew when it is full. *tps: of
 * the median block. */
static enum cn_status decode(struct cn_session *session, const int32_t *tokens, int32_t n,
                             struct cn_profiler *profiler, double *tps, struct cn_error *err)
{
    struct cn_profiler_error why;
    if (profiler && cn_profiler_start(profiler, &why) != 0)
        return cn_fail(err, CN_ERR_IO, "%s", why.text);
    enum cn_status status = cn_session_rewind(session, 0, err);
    const int32_t block = n / BLOCKS;
    double seconds[BLOCKS], t0 = cn_seconds();
    for (int32_t i = 0; i < n && status == CN_OK; i++) {
        if (profiler)
            cn_profiler_phase_begin(profiler, "decode", i);
        if (cn_session_position(session) == CONTEXT)
            status = cn_session_rewind(session, 0, err);
        if (status == CN_OK)
            status = cn_session_eval(session, tokens + i % CONTEXT, 1, CN_WANT_LAST, err);
        if (profiler)
            cn_profiler_phase_end(profiler);
        if (i % block == block - 1) {
            double t1 = cn_seconds();
            seconds[i / block] = t1 - t0;
            t0 = t1;
        }
    }
    if (profiler && cn_profiler_stop(profiler, &why) != 0 && status == CN_OK)
        return cn_fail(err, CN_ERR_IO, "%s", why.text);
    if (status == CN_OK)
        *tps = block / cn_median(seconds, BLOCKS);
    return status;
}

static enum cn_status pairs(struct cn_session *session, const int32_t *tokens,
                            const struct cn_watch_cost_options *o, struct cn_watch_cost *cost,
                            struct cn_error *err)
{
    double off[MOST_PAIRS], on[MOST_PAIRS], share[MOST_PAIRS], tps = 0;
    int32_t n = CONTEXT;
    /* Warm-up, and how many tokens there are to be. */
    for (; n < 1 << 24; n *= 2) {
        CN_TRY(decode(session, tokens, n, NULL, &tps, err));
        if (n / tps >= o->seconds)
            break;
    }
    const size_t n_pairs = (size_t)o->n_pairs;
    for (size_t i = 0; i < n_pairs; i++) {
        for (int half = 0; half < 2; half++) {
            bool watch = (half ^ (int)(i & 1)) != 0; /* the order changes from pair to pair */
            CN_TRY(decode(session, tokens, n, watch ? o->profiler : NULL, &tps, err));
            (watch ? on : off)[i] = tps;
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

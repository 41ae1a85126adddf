/* SPDX-License-Identifier: MIT
 *
 * Where a session's time goes: by op kind, layer and format, from the engine's spans. And the other
 * way round: how often each op kind is to be done.
 */
#ifndef CN_SPANS_H
#define CN_SPANS_H

#include "engine/carnot.h"

struct cn_span_time {
    int64_t ns, count;
    const char *format; /* of the weights; NULL: an op without */
};

/* One session at a time may report to it. */
struct cn_spans {
    struct cn_span_time *times; /* [CN_N_OPS][1 + n_layers]; the first is outside the layers */
    int n_layers;
    bool on;                    /* while false time passes unseen */
    int repeat[CN_N_OPS];       /* times that each op is done; 0: once */
    int64_t begin_ns;           /* of the span under way */
    bool (*cancel)(void *user); /* as in cn_callbacks; may be NULL */
    /* Told of each begin and end, with its CLOCK_MONOTONIC; may be NULL. */
    void (*told)(void *user, enum cn_op op, bool begin, int64_t t_ns);
    void *user;
};

/* All zero but for room. False if memory is short. */
bool cn_spans_init(struct cn_spans *spans, int n_layers);
void cn_spans_free(struct cn_spans *spans);
/* Forgets the times. */
void cn_spans_clear(struct cn_spans *spans);

/* What a session has to call, for its options. */
struct cn_callbacks cn_spans_callbacks(struct cn_spans *spans);

/* layer: -1 to n_layers - 1. */
const struct cn_span_time *cn_spans_at(const struct cn_spans *spans, enum cn_op op, int layer);
/* Nanoseconds of an op kind in all layers. */
int64_t cn_spans_of_op(const struct cn_spans *spans, enum cn_op op);

#endif

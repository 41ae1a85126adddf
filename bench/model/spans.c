/* SPDX-License-Identifier: MIT */
#include "bench/model/spans.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static struct cn_span_time *at(const struct cn_spans *s, enum cn_op op, int layer)
{
    return &s->times[(int)op * (1 + s->n_layers) + 1 + layer];
}

static void begin(void *user, enum cn_op op, int layer, const char *format)
{
    struct cn_spans *s = user;
    at(s, op, layer)->format = format;
    s->begin_ns = cn_now_ns(CLOCK_MONOTONIC);
    if (s->told)
        s->told(s->user, op, true, s->begin_ns);
}

static void end(void *user, enum cn_op op, int layer)
{
    struct cn_spans *s = user;
    int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    if (s->on) {
        at(s, op, layer)->ns += now - s->begin_ns;
        at(s, op, layer)->count++;
    }
    if (s->told)
        s->told(s->user, op, false, now);
}

static bool cancel(void *user)
{
    const struct cn_spans *s = user;
    return s->cancel && s->cancel(s->user);
}

static int repeat(void *user, enum cn_op op, int layer)
{
    const struct cn_spans *s = user;
    (void)layer;
    return s->repeat[op] > 1 ? s->repeat[op] : 1;
}

bool cn_spans_init(struct cn_spans *s, int n_layers)
{
    *s = (struct cn_spans){ .n_layers = n_layers };
    s->times = calloc((size_t)CN_N_OPS * (1 + (size_t)n_layers), sizeof *s->times);
    return s->times != NULL;
}

void cn_spans_free(struct cn_spans *s)
{
    free(s->times);
    s->times = NULL;
}

void cn_spans_clear(struct cn_spans *s)
{
    for (size_t i = 0; i < (size_t)CN_N_OPS * (1 + (size_t)s->n_layers); i++)
        s->times[i].ns = s->times[i].count = 0;
}

struct cn_callbacks cn_spans_callbacks(struct cn_spans *s)
{
    return (struct cn_callbacks){
        .user = s, .span_begin = begin, .span_end = end, .cancel = cancel, .repeat = repeat
    };
}

const struct cn_span_time *cn_spans_at(const struct cn_spans *s, enum cn_op op, int layer)
{
    return at(s, op, layer);
}

int64_t cn_spans_of_op(const struct cn_spans *s, enum cn_op op)
{
    int64_t sum = 0;
    for (int layer = -1; layer < s->n_layers; layer++)
        sum += at(s, op, layer)->ns;
    return sum;
}

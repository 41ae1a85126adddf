/* SPDX-License-Identifier: MIT */
#include "engine/run/mixer/short_conv.h"

enum {
    CHUNKS_PER_THREAD = 2,
    MIN_CELLS = 4096, /* of a chunk: below that handing it out costs more than doing it */
    LINE = 16,        /* floats: chunks begin at cache lines */
    TILE_TOKENS = 32, /* rows lie on pages of their own: so many at a time */
};

struct job {
    struct cn_session *s;
    const struct cn_conv *conv;
    int64_t step;
};

static void conv_chunk(void *context, int chunk, int thread)
{
    const struct job *job = context;
    const struct cn_conv *all = job->conv;
    const int64_t first = chunk * job->step, left = all->n_channels - first;
    (void)thread;
    for (int64_t t = 0; t < all->n_tokens; t += TILE_TOKENS) {
        struct cn_conv part = cn_conv_from(all, first);
        const int64_t at = t * all->x_stride;
        part.n_channels = left < job->step ? left : job->step;
        part.n_tokens = all->n_tokens - t < TILE_TOKENS ? all->n_tokens - t : TILE_TOKENS;
        part.x += at;
        part.gate_in = part.gate_in ? part.gate_in + at : NULL;
        part.gate_out = part.gate_out ? part.gate_out + at : NULL;
        job->s->model->ops.vec.conv(&part);
    }
}

void cn_short_conv(struct cn_session *s, const struct cn_conv *conv)
{
    int64_t step = conv->n_channels / (s->n_threads * CHUNKS_PER_THREAD);
    if (step * conv->n_tokens < MIN_CELLS)
        step = MIN_CELLS / conv->n_tokens;
    step = (step + LINE - 1) / LINE * LINE;
    struct job job = { s, conv, step };
    cn_pool_run(s->pool, s->n_threads, conv_chunk, &job,
                (int)((conv->n_channels + step - 1) / step));
}

void cn_short_conv_work(int64_t n_taps, int64_t n_channels, int64_t n, struct cn_work *work)
{
    cn_state_work(work, cn_short_conv_state(n_taps, n_channels));
    work->float_ops += 2 * n_taps * n_channels * n;
}

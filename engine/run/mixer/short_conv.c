/* SPDX-License-Identifier: MIT */
#include "engine/run/mixer/short_conv.h"

enum {
    CHUNKS_PER_THREAD = 2,
    MIN_CELLS = 4096, /* of a chunk: below that handing it out costs more than doing it */
    LINE = 16,        /* floats: chunks begin at cache lines */
    TILE_TOKENS = 32, /* rows lie on pages of their own: so many at a time */
};

struct job {
    struct cn_group *g;
    const struct cn_conv *convs;
    int64_t step;
    int n_chunks; /* of each */
};

static void conv_chunk(void *context, int chunk, int thread)
{
    const struct job *job = context;
    const struct cn_conv *all = &job->convs[chunk / job->n_chunks];
    const int64_t first = chunk % job->n_chunks * job->step, left = all->n_channels - first;
    (void)thread;
    for (int64_t t = 0; t < all->n_tokens; t += TILE_TOKENS) {
        struct cn_conv part = cn_conv_from(all, first);
        const int64_t at = t * all->x_stride;
        part.n_channels = left < job->step ? left : job->step;
        part.n_tokens = all->n_tokens - t < TILE_TOKENS ? all->n_tokens - t : TILE_TOKENS;
        part.x += at;
        part.gate_in = part.gate_in ? part.gate_in + at : NULL;
        part.gate_out = part.gate_out ? part.gate_out + at : NULL;
        job->g->model->ops.vec.conv(&part);
    }
}

void cn_short_conv(struct cn_group *g, const struct cn_conv *convs, int n)
{
    const int64_t n_channels = convs->n_channels;
    int64_t longest = 1, step = n_channels / (g->n_threads * CHUNKS_PER_THREAD);
    for (int i = 0; i < n; i++)
        longest = convs[i].n_tokens > longest ? convs[i].n_tokens : longest;
    if (step * longest < MIN_CELLS)
        step = MIN_CELLS / longest;
    step = (step + LINE - 1) / LINE * LINE;
    struct job job = { g, convs, step, (int)((n_channels + step - 1) / step) };
    cn_pool_run(g->pool, g->n_threads, conv_chunk, &job, n * job.n_chunks);
}

void cn_short_conv_work(int64_t n_taps, int64_t n_channels, int64_t n, struct cn_work *work)
{
    cn_state_work(work, cn_short_conv_state(n_taps, n_channels));
    work->float_ops += 2 * n_taps * n_channels * n;
}

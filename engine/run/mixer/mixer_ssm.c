/* SPDX-License-Identifier: MIT
 *
 * Mamba-2, a selective state space (arXiv 2405.21060). Each head has a matrix as its state, which
 * every token makes fade and adds a product of its values and its keys b to; queries c read it.
 */
#include "engine/run/mixer/layer_state.h"
#include "engine/run/mixer/mixer.h"
#include "engine/run/mixer/short_conv.h"
#include "engine/run/mixer/ssm_chunks.h"

#include <string.h>

extern const struct cn_mixer cn_mixer_ssm;

enum { TILE = CN_SSM_TILE };

static struct cn_ssm_widths widths_of(const struct cn_model *m)
{
    const struct cn_hparams *hp = &m->hp;
    struct cn_ssm_widths w = { .inner = hp->ssm_inner,
                               .shared = hp->ssm_groups * hp->ssm_state,
                               .values = hp->ssm_inner / hp->ssm_heads,
                               .n = hp->ssm_state };
    w.channels = w.inner + 2 * w.shared;
    w.row = w.inner + w.channels + hp->ssm_heads;
    w.groups16 = (w.values + TILE - 1) / TILE;
    w.head_state = w.groups16 * TILE * w.n;
    w.conv_state = cn_short_conv_state(hp->conv_taps, w.channels);
    w.state = w.conv_state + hp->ssm_heads * w.head_state;
    return w;
}

static size_t state_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return (size_t)widths_of(s->model).state * sizeof(float);
}

static void place(struct cn_session *s, int64_t layer, void *memory)
{
    cn_state_place(s, layer, memory, (size_t)widths_of(s->model).state * sizeof(float));
}

static size_t scratch_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    const struct cn_ssm_widths w = widths_of(s->model);
    (void)layer;
    return (size_t)(cn_ssm_panels(&s->model->hp, &w, s->n_batch) + s->n_batch * w.row) *
           sizeof(float);
}

static size_t thread_scratch_bytes(const struct cn_model *m, int64_t layer)
{
    const struct cn_ssm_widths w = widths_of(m);
    const int64_t steps = 2 * TILE * w.groups16, chunks = cn_ssm_thread_floats(&w);
    (void)layer;
    return (size_t)(steps > chunks ? steps : chunks) * sizeof(float);
}

/* Token by token. */
static void head_steps(void *context, int head, int thread)
{
    const struct cn_ssm *p = context;
    const struct cn_session *s = p->s;
    const struct cn_ssm_widths *w = &p->w;
    const int64_t group = head / (s->model->hp.ssm_heads / s->model->hp.ssm_groups);
    float *state = p->state + head * w->head_state;
    float *x = (float *)(void *)(s->thread_scratch + (size_t)thread * s->thread_scratch_bytes);
    float *y = x + TILE * w->groups16;
    memset(x, 0, (size_t)(TILE * w->groups16) * sizeof *x);
    for (int64_t t = 0; t < p->n; t++) {
        const float *values = cn_ssm_values(p, t, head), *b = cn_ssm_shared(p, t, group);
        const float dt = cn_ssm_step(p, t, head), decay = expf(dt * p->layer->ssm_a[head]);
        for (int64_t i = 0; i < w->values; i++)
            x[i] = dt * values[i];
        s->model->ops.vec.ssm_step(w->groups16, w->n, decay, x, b, b + w->shared, state, y);
        cn_ssm_finish(p, t, head, y);
    }
}

static void norm_token(void *context, int token, int thread)
{
    const struct cn_ssm *p = context;
    const struct cn_model *m = p->s->model;
    const int64_t n = m->hp.ssm_inner / m->hp.ssm_groups;
    float *z = p->rows + token * p->w.row;
    (void)thread;
    for (int64_t i = 0; i < p->w.inner; i += n)
        m->ops.vec.rms_norm(n, z + i, p->layer->ssm_norm + i, m->hp.norm_eps, z + i);
}

static void work(const struct cn_model *m, int64_t layer, enum cn_op op, int64_t n,
                 struct cn_work *work)
{
    const struct cn_ssm_widths w = widths_of(m);
    const int64_t state = w.state - w.conv_state;
    (void)layer;
    if (op == CN_OP_CONV)
        cn_short_conv_work(m->hp.conv_taps, w.channels, n, work);
    if (op != CN_OP_SSM)
        return;
    cn_state_work(work, state);
    work->float_ops += 2 * 2 * state * n; /* what is added, and what is read */
}

static void run(struct cn_session *s, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = s->model;
    const struct cn_layer *layer = &m->layers[index];
    const struct cn_ssm_widths w = widths_of(m);
    struct cn_ssm p = { .s = s, .layer = layer, .w = w, .n = n, .rows = s->mixer_scratch };
    p.panels = p.rows + s->n_batch * w.row;
    p.state = s->states[index].values + w.conv_state;

    CN_SPAN (s, CN_OP_QKV, index, &layer->ssm_in) {
        cn_input_set(&s->input, x, m->hp.n_embd, n, m->hp.n_embd);
        struct cn_product in = { &layer->ssm_in, 0, &s->input, p.rows, w.row };
        cn_products_run(s, &in, 1);
    }

    CN_SPAN (s, CN_OP_CONV, index, NULL) {
        const struct cn_conv conv = {
            .n_channels = w.channels,
            .n_tokens = n,
            .n_taps = m->hp.conv_taps,
            .taps = layer->ssm_conv.w,
            .state = s->states[index].values,
            .stride = w.channels,
            .bias = layer->ssm_conv_b,
            .x = p.rows + w.inner,
            .x_stride = w.row,
            .silu = true,
        };
        cn_short_conv(s, &conv);
        work(m, index, CN_OP_CONV, n, &s->work);
    }

    CN_SPAN (s, CN_OP_SSM, index, NULL) {
        if (n < CN_SSM_CHUNKED_TOKENS)
            cn_pool_run(s->pool, s->n_threads, head_steps, &p, (int)m->hp.ssm_heads);
        else
            cn_ssm_chunks(&p);
        if (layer->ssm_norm)
            cn_pool_run(s->pool, s->n_threads, norm_token, &p, (int)n);
        work(m, index, CN_OP_SSM, n, &s->work);
    }

    CN_SPAN (s, CN_OP_ATTN_OUT, index, &layer->ssm_out) {
        cn_product_to_t(s, &layer->ssm_out, p.rows, w.row, n, w.inner);
    }
}

const struct cn_mixer cn_mixer_ssm = {
    .name = "ssm",
    .state_bytes = state_bytes,
    .place = place,
    .scratch_bytes = scratch_bytes,
    .thread_scratch_bytes = thread_scratch_bytes,
    .run = run,
    .work = work,
    .saved_bytes = cn_state_saved_bytes,
    .save = cn_state_save,
    .restore = cn_state_restore,
};

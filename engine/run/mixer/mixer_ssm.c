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

/* Token by token; several sessions' one behind the other. */
static void head_steps(void *context, int chunk, int thread)
{
    const struct cn_ssm *all = context;
    const struct cn_group *g = all->g;
    const struct cn_ssm_widths *w = &all->w;
    const int64_t n_heads = g->model->hp.ssm_heads, head = chunk % n_heads;
    const int64_t group = head / (n_heads / g->model->hp.ssm_groups);
    const struct cn_ssm *p = &all[chunk / n_heads];
    float *state = p->state + head * w->head_state;
    float *x = (float *)(void *)(g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
    float *y = x + TILE * w->groups16;
    memset(x, 0, (size_t)(TILE * w->groups16) * sizeof *x);
    for (int64_t t = 0; t < p->n; t++) {
        const float *values = cn_ssm_values(p, t, head), *b = cn_ssm_shared(p, t, group);
        const float dt = cn_ssm_step(p, t, head), decay = expf(dt * p->layer->ssm_a[head]);
        for (int64_t i = 0; i < w->values; i++)
            x[i] = dt * values[i];
        g->model->ops.vec.ssm_step(w->groups16, w->n, decay, x, b, b + w->shared, state, y);
        cn_ssm_finish(p, t, head, y);
    }
}

static void norm_token(void *context, int token, int thread)
{
    const struct cn_ssm *p = context;
    const struct cn_model *m = p->g->model;
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

static void convolve(struct cn_group *g, const struct cn_ssm *p, int64_t index)
{
    struct cn_conv each[CN_MAX_LANES];
    for (int i = 0; i < g->n_slices; i++)
        each[i] = (struct cn_conv){
            .n_channels = p->w.channels,
            .n_tokens = g->slices[i].n,
            .n_taps = g->model->hp.conv_taps,
            .taps = p->layer->ssm_conv.w,
            .state = g->slices[i].session->states[index].values,
            .stride = p->w.channels,
            .bias = p->layer->ssm_conv_b,
            .x = p->rows + g->slices[i].first * p->w.row + p->w.inner,
            .x_stride = p->w.row,
            .silu = true,
        };
    cn_short_conv(g, each, g->n_slices);
}

/* The states of sessions with a few tokens take turns with the threads, with many one at a time has
 * all of them. */
static void recur(struct cn_group *g, const struct cn_ssm *pass, int64_t index)
{
    struct cn_ssm few[CN_MAX_LANES];
    int n_few = 0;
    for (int i = 0; i < g->n_slices; i++) {
        const struct cn_slice *slice = &g->slices[i];
        struct cn_ssm p = *pass;
        p.n = slice->n;
        p.rows += slice->first * p.w.row;
        p.state = slice->session->states[index].values + p.w.conv_state;
        if (p.n < CN_SSM_CHUNKED_TOKENS)
            few[n_few++] = p;
        else
            cn_ssm_chunks(&p);
    }
    if (n_few > 0)
        cn_pool_run(g->pool, g->n_threads, head_steps, few, n_few * (int)g->model->hp.ssm_heads);
}

static void run(struct cn_group *g, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = &m->layers[index];
    const struct cn_ssm_widths w = widths_of(m);
    struct cn_ssm p = { .g = g, .layer = layer, .w = w, .n = n, .rows = g->mixer_scratch };
    p.panels = p.rows + g->n_batch * w.row;

    CN_SPAN (g, CN_OP_QKV, index, &layer->ssm_in) {
        cn_input_set(&g->input, x, m->hp.n_embd, n, m->hp.n_embd);
        struct cn_product in = { &layer->ssm_in, 0, &g->input, p.rows, w.row };
        cn_products_run(g, &in, 1);
    }

    CN_SPAN (g, CN_OP_CONV, index, NULL) {
        convolve(g, &p, index);
        cn_states_work(g, &cn_mixer_ssm, index, CN_OP_CONV);
    }

    CN_SPAN (g, CN_OP_SSM, index, NULL) {
        recur(g, &p, index);
        if (layer->ssm_norm)
            cn_pool_run(g->pool, g->n_threads, norm_token, &p, (int)n);
        cn_states_work(g, &cn_mixer_ssm, index, CN_OP_SSM);
    }

    CN_SPAN (g, CN_OP_ATTN_OUT, index, &layer->ssm_out) {
        cn_product_to_t(g, &layer->ssm_out, p.rows, w.row, n, w.inner);
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

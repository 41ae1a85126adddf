/* SPDX-License-Identifier: MIT
 *
 * Attention with a cache of keys and values (arXiv 1706.03762, 2305.13245): projections, norms and
 * positions of queries and keys, softmax over the cache, output.
 */
#include "base/layout.h"
#include "engine/run/attend.h"
#include "engine/run/mixer/mixer.h"
#include "engine/run/steps.h"

#include <string.h>

extern const struct cn_mixer cn_mixer_attention;

/* Floats of a token: queries, keys and values side by side, in front of them room for the gates
 * that come with the queries; and what comes of them. */
struct widths {
    int64_t gate, q, k, v, stride, out;
};

static struct widths widths_of(const struct cn_model *m, int64_t layer)
{
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    struct widths w = { .q = hp->n_head * hp->d_k,
                        .k = hp->n_head_kv * hp->d_k,
                        .v = hp->n_head_kv * hp->d_v,
                        .out = hp->n_head * hp->d_v };
    w.gate = m->arch->output_gate ? w.out : 0;
    w.stride = w.gate + w.q + w.k + w.v;
    return w;
}

static bool has_own_kv(const struct cn_model *m, int64_t layer)
{
    return m->hp.layers[layer].kv_layer == layer;
}

static int64_t capacity_of(const struct cn_mixer_sizes *s, int64_t layer)
{
    return cn_kv_capacity(s->model->hp.layers[layer].window, s->n_ctx, s->n_batch);
}

static size_t keys_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    const struct cn_layer_hparams *hp = &s->model->hp.layers[layer];
    const size_t row = cn_kv_row_bytes(s->kv, hp->d_k);
    return cn_round_up((size_t)(capacity_of(s, layer) * hp->n_head_kv) * row, CN_ALIGN);
}

static size_t state_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    const struct cn_layer_hparams *hp = &s->model->hp.layers[layer];
    const size_t row = cn_kv_row_bytes(s->kv, hp->d_v);
    if (!has_own_kv(s->model, layer))
        return 0;
    return keys_bytes(s, layer) +
           cn_round_up((size_t)(capacity_of(s, layer) * hp->n_head_kv) * row, CN_ALIGN);
}

static void place(struct cn_session *s, int64_t layer, void *memory)
{
    const struct cn_layer_hparams *hp = &s->model->hp.layers[layer];
    const struct cn_mixer_sizes sizes = cn_mixer_sizes_of(s->group);
    if (!has_own_kv(s->model, layer)) {
        s->kv[layer] = s->kv[hp->kv_layer];
        return;
    }
    s->kv[layer] = (struct cn_kv){ .k = memory,
                                   .v = (uint8_t *)memory + keys_bytes(&sizes, layer),
                                   .n_heads = hp->n_head_kv,
                                   .capacity = capacity_of(&sizes, layer),
                                   .k_row_bytes = cn_kv_row_bytes(sizes.kv, hp->d_k),
                                   .v_row_bytes = cn_kv_row_bytes(sizes.kv, hp->d_v) };
}

static bool fits_blocks(const struct cn_model *m, int64_t layer, int64_t elems)
{
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    return hp->d_k % elems == 0 && hp->d_v % elems == 0;
}

static size_t scratch_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    const struct cn_layer_hparams *hp = &s->model->hp.layers[layer];
    const struct widths w = widths_of(s->model, layer);
    return cn_attend_shared_bytes(hp->d_k, hp->d_v) +
           (size_t)(s->n_batch * (w.stride + w.out + w.gate)) * sizeof(float);
}

static size_t thread_scratch_bytes(const struct cn_model *m, int64_t layer)
{
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    return cn_attend_scratch_bytes(hp->n_head, hp->n_head_kv, hp->d_k, hp->d_v);
}

struct job {
    struct cn_group *g;
    const struct cn_layer *layer;
    int64_t layer_index;
    struct widths w;
    float *shared;           /* scratch of the attention */
    float *qkv, *out, *gate; /* [n] of w.stride, w.out and w.gate */
};

/* Norms of n_heads heads of d, by the rule of the architecture. */
static void norm_heads(const struct cn_model *m, const float *weight, int64_t n_heads, int64_t d,
                       float *x)
{
    const float eps = m->hp.norm_eps;
    if (!weight)
        return;
    if (m->arch->qk_norm == CN_QK_NORM_WHOLE) {
        m->ops.vec.rms_norm(n_heads * d, x, weight, eps, x);
        return;
    }
    for (int64_t h = 0; h < n_heads; h++)
        if (m->arch->qk_norm == CN_QK_NORM_LAYER_NORM)
            cn_layer_norm(d, x + h * d, weight + h * d, NULL, eps, x + h * d);
        else
            m->ops.vec.rms_norm(d, x + h * d, weight, eps, x + h * d);
}

/* Queries and gates come a head of each in turn: the gates go aside, as what they are divided by,
 * the queries together before the keys. */
static void part_gates(const struct job *job, int token)
{
    const struct cn_layer_hparams *hp = job->layer->hp;
    const struct widths *w = &job->w;
    const size_t head = (size_t)hp->d_k * sizeof(float);
    float *both = job->qkv + token * w->stride, *gate = job->gate + token * w->gate;
    for (int64_t h = hp->n_head - 1; h >= 0; h--) {
        const float *from = both + (2 * h + 1) * hp->d_k;
        for (int64_t i = 0; i < hp->d_k; i++)
            gate[h * hp->d_k + i] = -from[i];
        memcpy(both + w->gate + h * hp->d_k, both + 2 * h * hp->d_k, head);
    }
    job->g->model->ops.vec.exp_sum(w->gate, 0, gate);
}

/* Biases, norms, positions; then keys and values go to the cache. */
static void finish_qkv(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = job->layer;
    const struct cn_layer_hparams *hp = layer->hp;
    const struct widths *w = &job->w;
    const bool own = has_own_kv(m, job->layer_index), after = m->arch->qk_norm_after_rope;
    const struct cn_place *here = &g->places[token];
    const int64_t position = here->position;
    float *q = job->qkv + token * w->stride + w->gate, *k = q + w->q, *v = k + w->k;
    (void)thread;
    if (w->gate > 0)
        part_gates(job, token);
    cn_add(w->stride, layer->qkv_b, q);
    cn_add(w->q, layer->q_b, q);
    cn_add(w->k, layer->k_b, k);
    cn_add(w->v, layer->v_b, v);
    if (own && !layer->v.format && !layer->qkv.format)
        for (int64_t i = 0; i < w->v; i++)
            v[i] = k[i];
    for (int pass = 0; pass < 2; pass++) {
        if (pass == after) {
            norm_heads(m, layer->q_norm, hp->n_head, hp->d_k, q);
            if (own)
                norm_heads(m, layer->k_norm, hp->n_head_kv, hp->d_k, k);
        }
        if (pass == 0)
            cn_rotate(g, hp, token, (own ? w->q + w->k : w->q) / hp->d_k, hp->d_k, q);
    }
    for (int64_t i = 0; m->hp.qk_norm_weightless && hp->rope >= 0 && i < w->q + w->k; i += hp->d_k)
        m->ops.vec.rms_norm(hp->d_k, q + i, g->ones, m->hp.norm_eps, q + i);
    for (int64_t h = 0; own && m->arch->v_norm && h < hp->n_head_kv; h++)
        m->ops.vec.rms_norm(hp->d_v, v + h * hp->d_v, g->ones, m->hp.norm_eps, v + h * hp->d_v);
    const float scale = cn_query_scale(m, hp, position);
    for (int64_t i = 0; i < w->q; i++)
        q[i] *= scale;
    const struct cn_kv *kv = &here->session->kv[job->layer_index];
    for (int64_t h = 0; own && h < hp->n_head_kv; h++) {
        cn_kv_store_row(m, g->options.kv, hp->d_k, k + h * hp->d_k, cn_kv_key(kv, h, position));
        cn_kv_store_row(m, g->options.kv, hp->d_v, v + h * hp->d_v, cn_kv_value(kv, h, position));
    }
}

/* A norm of what comes out, or its gates: times sigmoid. */
static void finish_out(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->g->model;
    float *out = job->out + token * job->w.out;
    const float *gate = job->gate + token * job->w.gate;
    (void)thread;
    if (job->layer->attn_sub_norm)
        m->ops.vec.rms_norm(job->w.out, out, job->layer->attn_sub_norm, m->hp.norm_eps, out);
    for (int64_t i = 0; i < job->w.gate; i++)
        out[i] /= 1 + gate[i];
}

static void project(struct cn_group *g, const struct job *job)
{
    const struct cn_layer *layer = job->layer;
    const struct widths *w = &job->w;
    if (layer->qkv.format) {
        struct cn_product all = { &layer->qkv, 0, &g->input, job->qkv, w->stride };
        cn_products_run(g, &all, 1);
        return;
    }
    float *const k = job->qkv + w->gate + w->q;
    struct cn_product each[] = {
        {&layer->q,  0, &g->input, job->qkv, w->stride},
        { &layer->k, 0, &g->input, k,        w->stride},
        { &layer->v, 0, &g->input, k + w->k, w->stride},
    };
    cn_products_run(g, each, layer->v.format ? 3 : layer->k.format ? 2 : 1);
}

static void attend(struct cn_group *g, const struct job *job)
{
    const struct cn_layer_hparams *hp = job->layer->hp;
    struct cn_attend each[CN_MAX_LANES];
    for (int i = 0; i < g->n_slices; i++) {
        const struct cn_slice *slice = &g->slices[i];
        each[i] = (struct cn_attend){
            .g = g,
            .kv = &slice->session->kv[job->layer_index],
            .type = g->options.kv,
            .work = &slice->session->work,
            .position = slice->position,
            .n = slice->n,
            .n_head = hp->n_head,
            .n_head_kv = hp->n_head_kv,
            .d_k = hp->d_k,
            .d_v = hp->d_v,
            .q = job->qkv + job->w.gate + slice->first * job->w.stride,
            .q_stride = job->w.stride,
            .out = job->out + slice->first * job->w.out,
            .window = hp->window,
            .chunked = hp->chunked,
            .softcap = g->model->hp.attn_softcap,
            .sinks = job->layer->sinks,
        };
    }
    cn_attend(each, g->n_slices, job->shared);
}

static void run(struct cn_group *g, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = &m->layers[index];
    struct job job = { g, layer, index, widths_of(m, index), .shared = g->mixer_scratch };
    job.qkv = job.shared + cn_attend_shared_bytes(layer->hp->d_k, layer->hp->d_v) / sizeof(float);
    job.out = job.qkv + g->n_batch * job.w.stride;
    job.gate = job.out + g->n_batch * job.w.out;

    CN_SPAN (g, CN_OP_QKV, index, layer->qkv.format ? &layer->qkv : &layer->q) {
        cn_input_set(&g->input, x, m->hp.n_embd, n, m->hp.n_embd);
        project(g, &job);
    }

    CN_SPAN (g, CN_OP_ROPE, index, NULL) {
        cn_pool_run(g->pool, g->n_threads, finish_qkv, &job, (int)n);
    }

    CN_SPAN (g, CN_OP_ATTENTION, index, NULL) {
        attend(g, &job);
    }

    CN_SPAN (g, CN_OP_ATTN_OUT, index, &layer->attn_out) {
        if (layer->attn_sub_norm || job.w.gate > 0)
            cn_pool_run(g->pool, g->n_threads, finish_out, &job, (int)n);
        cn_product_to_t(g, &layer->attn_out, job.out, job.w.out, n, job.w.out);
    }
}

const struct cn_mixer cn_mixer_attention = {
    .name = "attention",
    .state_bytes = state_bytes,
    .place = place,
    .fits_blocks = fits_blocks,
    .scratch_bytes = scratch_bytes,
    .thread_scratch_bytes = thread_scratch_bytes,
    .run = run,
};

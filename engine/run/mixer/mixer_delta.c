/* SPDX-License-Identifier: MIT
 *
 * Gated delta net (arXiv 2412.06464): projections, a short convolution over queries, keys and
 * values, the recurrence with a decay and a strength of correction for each head and token, a
 * gated norm, output.
 */
#include "base/layout.h"
#include "engine/run/delta_net.h"
#include "engine/run/mixer/layer_state.h"
#include "engine/run/mixer/mixer.h"
#include "engine/run/mixer/short_conv.h"

#include <math.h>

extern const struct cn_mixer cn_mixer_delta;

/* Floats of a token: what is projected, and what becomes of it. */
struct widths {
    int64_t qk, channels, inner, heads; /* queries; with keys and values; values; heads of these */
    int64_t total;
};

static struct widths widths_of(const struct cn_model *m)
{
    const struct cn_hparams *hp = &m->hp;
    struct widths w = { .qk = hp->ssm_groups * hp->ssm_state,
                        .inner = hp->ssm_heads * hp->ssm_state,
                        .heads = hp->ssm_heads };
    w.channels = 2 * w.qk + w.inner;
    w.total = w.channels + 2 * w.inner + 4 * w.heads;
    return w;
}

/* The state: inputs of the convolution, then the heads' matrices. */
static size_t conv_bytes(const struct cn_model *m)
{
    const int64_t n = cn_short_conv_state(m->hp.conv_taps, widths_of(m).channels);
    return cn_round_up((size_t)n * sizeof(float), CN_ALIGN);
}

static size_t bytes_of_state(const struct cn_model *m)
{
    const int64_t n = m->hp.ssm_heads * m->hp.ssm_state * m->hp.ssm_state;
    return conv_bytes(m) + (size_t)n * sizeof(float);
}

static size_t state_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return bytes_of_state(s->model);
}

static void place(struct cn_session *s, int64_t layer, void *memory)
{
    cn_state_place(s, layer, memory, bytes_of_state(s->model));
}

static size_t scratch_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return (size_t)(s->n_batch * widths_of(s->model).total) * sizeof(float);
}

static size_t thread_scratch_bytes(const struct cn_model *m, int64_t layer)
{
    (void)layer;
    return cn_delta_scratch_bytes(m->hp.ssm_state);
}

struct job {
    const struct cn_group *g;
    const struct cn_layer *layer;
    struct widths w;
    /* [n] of channels, inner, inner; beta and alpha as they are projected [2 * heads]; and what
     * becomes of them [heads] */
    float *qkv, *gate, *out, *projected, *beta, *log_decay;
};

static void project(struct cn_group *g, const struct job *job)
{
    const struct cn_layer *layer = job->layer;
    const struct widths *w = &job->w;
    const bool both = layer->delta_ba.format;
    float *const alpha = job->projected + w->heads;
    struct cn_product in[] = {
        {&layer->delta_in,                              0, &g->input, job->qkv,       w->channels },
        { &layer->delta_gate,                           0, &g->input, job->gate,      w->inner    },
        { both ? &layer->delta_ba : &layer->delta_beta, 0, &g->input, job->projected,
         2 * w->heads                                                                             },
        { &layer->delta_alpha,                          0, &g->input, alpha,          2 * w->heads},
    };
    cn_products_run(g, in, both ? 3 : 4);
}

/* ln(1 + e^x) */
static float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}

/* Beta and the decay of each head. Where they are projected together, it is by head of keys: first
 * the betas of its heads, then the alphas. */
static void strengths(const struct job *job, int token)
{
    const struct cn_layer *layer = job->layer;
    const int64_t heads = job->w.heads, each = heads / job->g->model->hp.ssm_groups;
    const float *projected = job->projected + token * 2 * heads;
    float *beta = job->beta + token * heads, *log_decay = job->log_decay + token * heads;
    for (int64_t h = 0; h < heads; h++) {
        int64_t b = h, a = heads + h;
        if (layer->delta_ba.format) {
            b = h / each * 2 * each + h % each;
            a = b + each;
        }
        beta[h] = 1 / (1 + expf(-projected[b]));
        log_decay[h] = layer->ssm_a[h] * softplus(projected[a] + layer->ssm_dt_b[h]);
    }
}

/* Heads of queries or keys to this length. */
static void normalise(const struct cn_model *m, float length, float *x)
{
    const int64_t size = m->hp.ssm_state;
    for (int64_t h = 0; h < m->hp.ssm_groups; h++, x += size) {
        const float norm = sqrtf(m->ops.vec.dot(size, x, x));
        const float scale = length / fmaxf(norm, m->hp.norm_eps);
        for (int64_t i = 0; i < size; i++)
            x[i] *= scale;
    }
}

static void prepare(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->g->model;
    float *q = job->qkv + token * job->w.channels;
    (void)thread;
    normalise(m, 1 / sqrtf((float)m->hp.ssm_state), q);
    normalise(m, 1, q + job->w.qk);
    strengths(job, token);
}

static void convolve(struct cn_group *g, const struct job *job, int64_t index)
{
    struct cn_conv each[CN_MAX_LANES];
    for (int i = 0; i < g->n_slices; i++)
        each[i] = (struct cn_conv){
            .n_channels = job->w.channels,
            .n_tokens = g->slices[i].n,
            .n_taps = g->model->hp.conv_taps,
            .taps = job->layer->ssm_conv.w,
            .state = g->slices[i].session->states[index].values,
            .stride = job->w.channels,
            .x = job->qkv + g->slices[i].first * job->w.channels,
            .x_stride = job->w.channels,
            .silu = true,
        };
    cn_short_conv(g, each, g->n_slices);
}

static void recur(struct cn_group *g, const struct job *job, int64_t index)
{
    const struct cn_model *m = g->model;
    const struct widths *w = &job->w;
    struct cn_delta each[CN_MAX_LANES];
    for (int i = 0; i < g->n_slices; i++) {
        const struct cn_slice *slice = &g->slices[i];
        const int64_t first = slice->first;
        float *const qkv = job->qkv + first * w->channels;
        each[i] = (struct cn_delta){
            .g = g,
            .n = slice->n,
            .n_heads = w->heads,
            .n_key_heads = m->hp.ssm_groups,
            .size = m->hp.ssm_state,
            .neighbours = m->arch->neighbours_share_keys,
            .q = qkv,
            .k = qkv + w->qk,
            .v = qkv + 2 * w->qk,
            .stride = w->channels,
            .log_decay = job->log_decay + first * w->heads,
            .beta = job->beta + first * w->heads,
            .state = slice->session->states[index].values + conv_bytes(m) / sizeof(float),
            .out = job->out + first * w->inner,
            .norm = job->layer->ssm_norm,
            .z = job->gate + first * w->inner,
            .z_stride = w->inner,
        };
    }
    cn_delta_run(each, g->n_slices);
}

static void work(const struct cn_model *m, int64_t layer, enum cn_op op, int64_t n,
                 struct cn_work *work)
{
    (void)layer;
    if (op == CN_OP_CONV)
        cn_short_conv_work(m->hp.conv_taps, widths_of(m).channels, n, work);
    if (op == CN_OP_DELTA)
        cn_delta_work(m->hp.ssm_heads, m->hp.ssm_state, n, work);
}

static void run(struct cn_group *g, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = &m->layers[index];
    struct job job = { g, layer, widths_of(m), .qkv = g->mixer_scratch };
    const struct widths *w = &job.w;
    job.gate = job.qkv + g->n_batch * w->channels;
    job.out = job.gate + g->n_batch * w->inner;
    job.projected = job.out + g->n_batch * w->inner;
    job.beta = job.projected + g->n_batch * 2 * w->heads;
    job.log_decay = job.beta + g->n_batch * w->heads;

    CN_SPAN (g, CN_OP_QKV, index, &layer->delta_in) {
        cn_input_set(&g->input, x, m->hp.n_embd, n, m->hp.n_embd);
        project(g, &job);
    }

    CN_SPAN (g, CN_OP_CONV, index, NULL) {
        convolve(g, &job, index);
        cn_states_work(g, &cn_mixer_delta, index, CN_OP_CONV);
    }

    CN_SPAN (g, CN_OP_DELTA, index, NULL) {
        cn_pool_run(g->pool, g->n_threads, prepare, &job, (int)n);
        recur(g, &job, index);
        cn_states_work(g, &cn_mixer_delta, index, CN_OP_DELTA);
    }

    CN_SPAN (g, CN_OP_ATTN_OUT, index, &layer->ssm_out) {
        cn_product_to_t(g, &layer->ssm_out, job.out, w->inner, n, w->inner);
    }
}

const struct cn_mixer cn_mixer_delta = {
    .name = "delta net",
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

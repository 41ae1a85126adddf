/* SPDX-License-Identifier: MIT
 *
 * The forward pass: one function over the descriptor's fields, the same for a batch and for one
 * token.
 *
 *   x  residual stream          [n, n_embd]
 *   h  its normalised form      [n, n_embd]
 *   t  output of a branch       [n, n_embd]
 */
#include "engine/run/session.h"

#include <math.h>
#include <string.h>

/* A step that is done token by token, on threads when there are many. */
struct tokens_job {
    struct cn_session *s;
    const struct cn_layer *layer;
    int64_t layer_index;
    const int32_t *tokens;
    const float *weight, *bias; /* of a norm */
    const float *in;
    float *out;
};

static void for_tokens(cn_chunk_fn *fn, struct tokens_job *job, int64_t n)
{
    cn_pool_run(job->s->pool, job->s->n_threads, fn, job, (int)n);
}

static void embed(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_model *m = job->s->model;
    const struct cn_weight *e = &m->token_embd;
    float *x = job->s->x + token * m->hp.n_embd;
    (void)thread;
    cn_dequantize_with(&e->kernels, e->format, e->cols,
                       e->data + (size_t)job->tokens[token] * e->row_bytes, x);
    if (m->hp.embedding_scale != 1)
        for (int64_t i = 0; i < m->hp.n_embd; i++)
            x[i] *= m->hp.embedding_scale;
}

/* LayerNorm: (x - mean) / sqrt(var + eps) * w + b (arXiv 1607.06450). */
static void layer_norm(int64_t n, const float *x, const float *w, const float *b, float eps,
                       float *y)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    float scale = 1 / sqrtf((float)(squares / (double)n) + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - (float)mean) * scale * w[i] + (b ? b[i] : 0);
}

static void norm(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_model *m = job->s->model;
    const int64_t n = m->hp.n_embd;
    (void)thread;
    if (m->arch->layer_norm)
        layer_norm(n, job->in + token * n, job->weight, job->bias, m->hp.norm_eps,
                   job->out + token * n);
    else
        m->ops.vec.rms_norm(n, job->in + token * n, job->weight, m->hp.norm_eps,
                            job->out + token * n);
}

static void add(int64_t n, const float *b, float *x)
{
    for (int64_t i = 0; b && i < n; i++)
        x[i] += b[i];
}

/* Rotary positions (arXiv 2104.09864) on the first n_rot components of a head. */
static void rotate(const struct cn_model *m, const float *cosine, const float *sine, float *x)
{
    const int64_t half = m->hp.n_rot / 2;
    const int64_t step = m->arch->rope_neox ? 1 : 2, distance = m->arch->rope_neox ? half : 1;
    for (int64_t i = 0; i < half; i++) {
        float a = x[i * step], b = x[i * step + distance];
        x[i * step] = a * cosine[i] - b * sine[i];
        x[i * step + distance] = a * sine[i] + b * cosine[i];
    }
}

/* Biases, norms of queries and keys, rotation; then keys and values go to the cache. */
static void finish_qkv(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const struct cn_hparams *hp = &m->hp;
    const struct cn_layer *layer = job->layer;
    const int64_t nq = hp->n_head * hp->d_k, nk = hp->n_head_kv * hp->d_k;
    const int64_t nv = hp->n_head_kv * hp->d_v;
    float *q = s->qkv + token * (nq + nk + nv), *k = q + nq, *v = k + nk;
    (void)thread;
    add(nq + nk + nv, layer->qkv_b, q);
    add(nq, layer->q_b, q);
    add(nk, layer->k_b, k);
    add(nv, layer->v_b, v);
    const int64_t q_size = m->arch->qk_norm_whole ? nq : hp->d_k;
    const int64_t k_size = m->arch->qk_norm_whole ? nk : hp->d_k;
    for (int64_t i = 0; layer->q_norm && i < nq; i += q_size)
        m->ops.vec.rms_norm(q_size, q + i, layer->q_norm, hp->norm_eps, q + i);
    for (int64_t i = 0; layer->k_norm && i < nk; i += k_size)
        m->ops.vec.rms_norm(k_size, k + i, layer->k_norm, hp->norm_eps, k + i);
    const float *cosine = s->rope_cos[layer->sliding] + token * (hp->n_rot / 2);
    const float *sine = s->rope_sin[layer->sliding] + token * (hp->n_rot / 2);
    for (int64_t i = 0; i < nq + nk; i += hp->d_k)
        rotate(m, cosine, sine, q + i);
    for (int64_t i = 0; i < nq; i++)
        q[i] *= hp->attn_scale;
    cn_kv_store(job->s, job->layer_index, token, k, v);
}

/* x += scale * t, after the branch's bias and norm. */
static void residual(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_model *m = job->s->model;
    const int64_t n = m->hp.n_embd;
    float *t = job->s->t + token * n;
    (void)thread;
    add(n, job->bias, t);
    if (job->weight)
        m->ops.vec.rms_norm(n, t, job->weight, m->hp.norm_eps, t);
    m->ops.vec.axpy(n, m->hp.residual_scale, t, job->s->x + token * n);
}

static void activate(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const struct cn_layer *layer = job->layer;
    const int64_t n = m->hp.n_ff;
    const bool fused = m->arch->fused_gate_up, gated = layer->gate.format || fused;
    float *up = s->up + token * (fused ? 2 * n : n), *gate = s->gate + token * n;
    const float *gate_in = fused ? up : gated ? gate : up;
    (void)thread;
    add(n, layer->gate_b, gate);
    add(fused ? 2 * n : n, layer->up_b, up);
    if (m->arch->gelu)
        m->ops.vec.gelu_mul(n, gate_in, !gated ? NULL : fused ? up + n : up, gate);
    else
        m->ops.vec.silu_mul(n, gate_in, fused ? up + n : up, gate);
}

static void attention_branch(struct cn_session *s, struct tokens_job *job, int64_t n)
{
    const struct cn_hparams *hp = &s->model->hp;
    const struct cn_layer *layer = job->layer;
    const int64_t nq = hp->n_head * hp->d_k, nk = hp->n_head_kv * hp->d_k;
    const int64_t stride = nq + nk + hp->n_head_kv * hp->d_v;

    CN_SPAN (s, CN_OP_QKV, job->layer_index, layer->qkv.format ? &layer->qkv : &layer->q) {
        cn_input_set(&s->input, job->in, hp->n_embd, n, hp->n_embd);
        if (layer->qkv.format) {
            struct cn_product all = { &layer->qkv, 0, &s->input, s->qkv, stride };
            cn_products_run(s, &all, 1);
        } else {
            struct cn_product each[] = {
                {&layer->q,  0, &s->input, s->qkv,           stride},
                { &layer->k, 0, &s->input, s->qkv + nq,      stride},
                { &layer->v, 0, &s->input, s->qkv + nq + nk, stride},
            };
            cn_products_run(s, each, 3);
        }
    }

    CN_SPAN (s, CN_OP_ROPE, job->layer_index, NULL) {
        for_tokens(finish_qkv, job, n);
    }

    CN_SPAN (s, CN_OP_ATTENTION, job->layer_index, NULL) {
        cn_attention(s, job->layer_index, n);
    }

    CN_SPAN (s, CN_OP_ATTN_OUT, job->layer_index, &layer->attn_out) {
        cn_input_set(&s->input, s->attn, hp->n_head * hp->d_v, n, hp->n_head * hp->d_v);
        struct cn_product out = { &layer->attn_out, 0, &s->input, s->t, hp->n_embd };
        cn_products_run(s, &out, 1);
        job->bias = layer->attn_out_b;
        job->weight = layer->post_attn_norm;
        for_tokens(residual, job, n);
    }
}

static void ffn_branch(struct cn_session *s, struct tokens_job *job, int64_t n)
{
    const struct cn_hparams *hp = &s->model->hp;
    const struct cn_layer *layer = job->layer;
    if (layer->router.format) {
        cn_experts(s, layer, job->layer_index, n);
    } else {
        CN_SPAN (s, CN_OP_FFN_UP, job->layer_index, &layer->up) {
            cn_input_set(&s->input, job->in, hp->n_embd, n, hp->n_embd);
            struct cn_product up[] = {
                {&layer->up,    0, &s->input, s->up,   layer->up.rows},
                { &layer->gate, 0, &s->input, s->gate, hp->n_ff      },
            };
            cn_products_run(s, up, layer->gate.format ? 2 : 1);
            for_tokens(activate, job, n);
        }

        CN_SPAN (s, CN_OP_FFN_DOWN, job->layer_index, &layer->down) {
            cn_input_set(&s->input, s->gate, hp->n_ff, n, hp->n_ff);
            struct cn_product down = { &layer->down, 0, &s->input, s->t, hp->n_embd };
            cn_products_run(s, &down, 1);
        }
    }
    job->bias = layer->down_b;
    job->weight = layer->post_ffn_norm;
    for_tokens(residual, job, n);
}

/* Sines and cosines of this pass's positions, shared by all layers. */
static void rope_tables(struct cn_session *s, int64_t n)
{
    const int64_t half = s->model->hp.n_rot / 2;
    for (int kind = 0; kind < 2; kind++) {
        if (!s->rope_freq[kind])
            continue;
        for (int64_t t = 0; t < n; t++)
            for (int64_t i = 0; i < half; i++) {
                double theta = (double)(s->position + t) * (double)s->rope_freq[kind][i];
                s->rope_cos[kind][t * half + i] = (float)cos(theta) * s->rope_magnitude[kind];
                s->rope_sin[kind][t * half + i] = (float)sin(theta) * s->rope_magnitude[kind];
            }
    }
}

static void output_logits(struct cn_session *s, struct tokens_job *job, int64_t n, int64_t n_wanted,
                          int64_t first_logit)
{
    const struct cn_model *m = s->model;
    const struct cn_hparams *hp = &m->hp;
    float *logits = s->logits + first_logit * hp->n_vocab;
    CN_SPAN (s, CN_OP_OUTPUT, -1, &m->output) {
        job->in = s->x + (n - n_wanted) * hp->n_embd;
        job->out = s->h;
        job->weight = m->output_norm;
        job->bias = m->output_norm_b;
        for_tokens(norm, job, n_wanted);
        cn_input_set(&s->input, s->h, hp->n_embd, n_wanted, hp->n_embd);
        struct cn_product out = { &m->output, 0, &s->input, logits, hp->n_vocab };
        cn_products_run(s, &out, 1);
        for (int64_t t = 0; t < n_wanted; t++) {
            float *y = logits + t * hp->n_vocab;
            add(hp->n_vocab, m->output_b, y);
            if (hp->logit_scale != 1)
                for (int64_t i = 0; i < hp->n_vocab; i++)
                    y[i] /= hp->logit_scale;
            if (hp->final_softcap > 0)
                for (int64_t i = 0; i < hp->n_vocab; i++)
                    y[i] = hp->final_softcap * tanhf(y[i] / hp->final_softcap);
        }
    }
}

bool cn_forward(struct cn_session *s, const int32_t *tokens, int64_t n, int64_t n_wanted,
                int64_t first_logit)
{
    const struct cn_model *m = s->model;
    const struct cn_callbacks *callbacks = &s->options.callbacks;
    struct tokens_job job = { .s = s, .tokens = tokens };

    CN_SPAN (s, CN_OP_EMBED, -1, &m->token_embd) {
        for_tokens(embed, &job, n);
        rope_tables(s, n);
    }

    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_layer *layer = &m->layers[i];
        if (callbacks->cancel && callbacks->cancel(callbacks->user))
            return false;
        job.layer = layer;
        job.layer_index = i;

        job.in = s->x;
        if (layer->attn_norm) {
            CN_SPAN (s, CN_OP_NORM, i, NULL) {
                job.out = s->h;
                job.weight = layer->attn_norm;
                job.bias = layer->attn_norm_b;
                for_tokens(norm, &job, n);
                job.in = s->h;
            }
        }
        attention_branch(s, &job, n);

        if (!m->arch->parallel) {
            job.in = s->x;
            if (layer->ffn_norm) {
                CN_SPAN (s, CN_OP_NORM, i, NULL) {
                    job.out = s->h;
                    job.weight = layer->ffn_norm;
                    job.bias = NULL;
                    for_tokens(norm, &job, n);
                    job.in = s->h;
                }
            }
        }
        ffn_branch(s, &job, n);
    }
    if (n_wanted > 0)
        output_logits(s, &job, n, n_wanted, first_logit);
    return true;
}

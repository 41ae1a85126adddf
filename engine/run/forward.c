/* SPDX-License-Identifier: MIT
 *
 * The forward pass: one function over the descriptor's fields, the same for a batch and for one
 * token.
 *
 *   x  residual stream          [n, n_embd]
 *   h  its normalised form      [n, n_embd]
 *   t  output of a branch       [n, n_embd]
 */
#include "engine/run/mixer/mixer.h"
#include "engine/run/nextn.h"
#include "engine/run/steps.h"
#include "engine/run/streams.h"

#include <math.h>
#include <string.h>

/* A step that is done token by token, on threads when there are many. */
struct tokens_job {
    struct cn_group *g;
    const struct cn_layer *layer;
    int64_t layer_index;
    const struct cn_weight *table; /* of embeddings */
    const float *weight, *bias;    /* of a norm */
    const float *in;
    float *out;
};

static void for_tokens(cn_chunk_fn *fn, struct tokens_job *job, int64_t n)
{
    cn_pool_run(job->g->pool, job->g->n_threads, fn, job, (int)n);
}

static void embed(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_model *m = job->g->model;
    const struct cn_weight *e = job->table;
    float *x = job->g->x + token * m->hp.n_embd;
    (void)thread;
    cn_dequantize_with(&e->kernels, e->format, e->cols,
                       e->data + (size_t)job->g->places[token].token * e->row_bytes, x);
    if (m->hp.embedding_scale != 1)
        for (int64_t i = 0; i < m->hp.n_embd; i++)
            x[i] *= m->hp.embedding_scale;
}

static void norm(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_model *m = job->g->model;
    const int64_t n = m->hp.n_embd;
    const float *in = job->in + token * n;
    float *out = job->out + token * n;
    (void)thread;
    if (m->arch->layer_norm) {
        cn_layer_norm(n, in, job->weight, job->bias, m->hp.norm_eps, out);
        return;
    }
    m->ops.vec.rms_norm(n, in, job->weight, m->hp.norm_eps, out);
    cn_add(n, job->bias, out);
}

/* Of g->x; job->in is the result, or g->x itself where the layer has no such norm. */
static void norm_of_x(struct tokens_job *job, const float *weight, const float *bias, int64_t n)
{
    job->in = job->g->x;
    if (!weight)
        return;
    job->out = job->g->h;
    job->weight = weight;
    job->bias = bias;
    for_tokens(norm, job, n);
    job->in = job->g->h;
}

/* x += scale * t, after the branch's bias and norm. */
static void residual(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_model *m = job->g->model;
    const int64_t n = m->hp.n_embd;
    float *t = job->g->t + token * n;
    (void)thread;
    cn_add(n, job->bias, t);
    if (job->weight)
        m->ops.vec.rms_norm(n, t, job->weight, m->hp.norm_eps, t);
    m->ops.vec.axpy(n, m->hp.residual_scale, t, job->g->x + token * n);
}

static void add_branch(struct tokens_job *job, const float *bias, const float *weight, int64_t n)
{
    job->bias = bias;
    job->weight = weight;
    for_tokens(residual, job, n);
}

/* t += side, of a layer with two mixers. */
static void add_side(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_group *g = job->g;
    const int64_t n = g->model->hp.n_embd, at = token * n;
    (void)thread;
    g->model->ops.vec.axpy(n, 1, g->side + at, g->t + at);
}

/* t = what the mixers of the layer make of job->in together. */
static void mixer_branch(struct cn_group *g, struct tokens_job *job, int64_t n)
{
    const struct cn_mixer *mixer;
    if (job->layer->hp->n_mixers == 0)
        return;
    for (int i = 0; (mixer = cn_mixer_of(g->model, job->layer_index, i)); i++) {
        if (i > 0) {
            float *const first = g->t;
            g->t = g->side;
            g->side = first;
        }
        mixer->run(g, job->layer_index, job->in, n);
        if (i > 0)
            for_tokens(add_side, job, n);
    }
    add_branch(job, job->layer->attn_out_b, job->layer->post_attn_norm, n);
}

/* Gates below mean + sparsity * deviation become 0, the others lose as much. */
static void sparsify(const struct cn_layer_hparams *hp, float *gate)
{
    const int64_t n = hp->n_ff;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)gate[i];
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)gate[i] - mean) * ((double)gate[i] - mean);
    const double deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    const float cut = (float)(mean + (double)hp->sparsity * deviation);
    for (int64_t i = 0; i < n; i++)
        gate[i] = fmaxf(0, gate[i] - cut);
}

static void activate(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = job->layer;
    const int64_t n = layer->hp->n_ff;
    const bool fused = m->arch->fused_gate_up, gated = layer->gate.format || fused;
    float *up = g->up + token * (fused ? 2 * n : n), *gate = g->gate + token * n;
    float *gate_in = fused || !gated ? up : gate;
    (void)thread;
    cn_add(n, layer->gate_b, gate);
    cn_add(fused ? 2 * n : n, layer->up_b, up);
    if (layer->hp->sparsity > 0)
        sparsify(layer->hp, gate_in);
    cn_activate(m, n, gate_in, !gated ? NULL : fused ? up + n : up, gate);
    if (layer->ffn_sub_norm)
        m->ops.vec.rms_norm(n, gate, layer->ffn_sub_norm, m->hp.norm_eps, gate);
}

/* t = down(activation(gate x) * up x), without the last bias. */
static void dense_ffn(struct cn_group *g, struct tokens_job *job, int64_t n)
{
    const struct cn_hparams *hp = &g->model->hp;
    const struct cn_layer *layer = job->layer;
    const int64_t ff = layer->hp->n_ff;
    CN_SPAN (g, CN_OP_FFN_UP, job->layer_index, &layer->up) {
        cn_input_set(&g->input, job->in, hp->n_embd, n, hp->n_embd);
        struct cn_product up[] = {
            {&layer->up,    0, &g->input, g->up,   layer->up.rows},
            { &layer->gate, 0, &g->input, g->gate, ff            },
        };
        cn_products_run(g, up, layer->gate.format ? 2 : 1);
        for_tokens(activate, job, n);
    }

    CN_SPAN (g, CN_OP_FFN_DOWN, job->layer_index, &layer->down) {
        cn_input_set(&g->input, g->gate, ff, n, ff);
        struct cn_product down = { &layer->down, 0, &g->input, g->t, hp->n_embd };
        cn_products_run(g, &down, 1);
    }
}

/* Between a dense part, whose result is in t, and the experts beside it: that goes aside, and the
 * experts and their router get norms of x of their own. */
static void begin_beside(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t n = m->hp.n_embd, at = token * n;
    const float eps = m->hp.norm_eps, to_unit = 1 / sqrtf((float)n);
    (void)thread;
    m->ops.vec.rms_norm(n, g->t + at, job->layer->post_dense_norm, eps, g->side + at);
    m->ops.vec.rms_norm(n, g->x + at, job->layer->pre_experts_norm, eps, g->h + at);
    m->ops.vec.rms_norm(n, g->x + at, job->layer->router_scale, eps, g->t + at);
    for (int64_t i = 0; i < n; i++)
        g->t[at + i] *= to_unit;
}

static void end_beside(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t n = m->hp.n_embd, at = token * n;
    (void)thread;
    m->ops.vec.rms_norm(n, g->t + at, job->layer->post_experts_norm, m->hp.norm_eps, g->t + at);
    m->ops.vec.axpy(n, 1, g->side + at, g->t + at);
}

static void ffn_branch(struct cn_group *g, struct tokens_job *job, int64_t n)
{
    const struct cn_layer *layer = job->layer;
    const bool dense = layer->up.format, experts = layer->router.format;
    if (!dense && !experts)
        return;
    if (dense)
        dense_ffn(g, job, n);
    if (dense && experts)
        for_tokens(begin_beside, job, n);
    if (experts)
        cn_experts(g, layer, job->layer_index, dense ? g->t : job->in, dense ? g->h : job->in, n);
    if (dense && experts)
        for_tokens(end_beside, job, n);
    add_branch(job, layer->down_b, layer->post_ffn_norm, n);
}

/* What becomes of a product with the output matrix: bias, scale, cap. */
static void finish_logits(const struct cn_model *m, float *y)
{
    const struct cn_hparams *hp = &m->hp;
    cn_add(hp->n_vocab, m->output_b, y);
    if (hp->logit_scale != 1)
        for (int64_t i = 0; i < hp->n_vocab; i++)
            y[i] *= hp->logit_scale;
    if (hp->final_softcap > 0)
        for (int64_t i = 0; i < hp->n_vocab; i++)
            y[i] = hp->final_softcap * tanhf(y[i] / hp->final_softcap);
}

/* Those that the slices want. One product for all of them; where they are of several sessions it
 * is copied to each. */
static void output_logits(struct cn_group *g, struct tokens_job *job)
{
    const struct cn_model *m = g->model;
    const int64_t n_embd = m->hp.n_embd, n_vocab = m->hp.n_vocab;
    float *const all = g->n_slices == 1 ? g->slices[0].logits : g->outputs;
    int64_t n = 0;
    for (int i = 0; i < g->n_slices; i++)
        n += g->slices[i].n_wanted;
    if (n == 0)
        return;
    CN_SPAN (g, CN_OP_OUTPUT, -1, &m->output) {
        job->weight = m->output_norm;
        job->bias = m->output_norm_b;
        job->out = g->h;
        for (int i = 0; i < g->n_slices; i++) {
            const struct cn_slice *slice = &g->slices[i];
            job->in = g->x + (slice->first + slice->n - slice->n_wanted) * n_embd;
            for_tokens(norm, job, slice->n_wanted);
            job->out += slice->n_wanted * n_embd;
        }
        cn_input_set(&g->input, g->h, n_embd, n, n_embd);
        struct cn_product out = { &m->output, 0, &g->input, all, n_vocab };
        cn_products_run(g, &out, 1);
        for (int64_t t = 0; t < n; t++)
            finish_logits(m, all + t * n_vocab);
    }
    const float *from = all;
    for (int i = 0; g->n_slices > 1 && i < g->n_slices; i++) {
        const int64_t values = g->slices[i].n_wanted * n_vocab;
        memcpy(g->slices[i].logits, from, (size_t)values * sizeof *from);
        from += values;
    }
}

/* The vectors that the output matrix would read, of all tokens: for sessions with a NextN block. */
static void keep_hidden(struct cn_group *g, struct tokens_job *job)
{
    const struct cn_model *m = g->model;
    for (int i = 0; i < g->n_slices; i++) {
        const struct cn_slice *slice = &g->slices[i];
        job->out = cn_nextn_rows(slice->session, slice->position, slice->n);
        if (!job->out)
            continue;
        CN_SPAN (g, CN_OP_NORM, -1, NULL) {
            job->weight = m->output_norm;
            job->bias = m->output_norm_b;
            job->in = g->x + slice->first * m->hp.n_embd;
            for_tokens(norm, job, slice->n);
        }
    }
}

/* g->x, the vectors of the tokens as they come into a layer, becomes what leaves it. */
static void run_layer(struct cn_group *g, struct tokens_job *job, int64_t i, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = &m->layers[i];
    job->layer = layer;
    job->layer_index = i;

    job->in = g->x;
    if (layer->attn_norm) {
        CN_SPAN (g, CN_OP_NORM, i, NULL) {
            norm_of_x(job, layer->attn_norm, layer->attn_norm_b, n);
        }
    }
    cn_laurel_begin(g, i, n);
    mixer_branch(g, job, n);
    cn_laurel_add(g, i, n);

    if (layer->ffn_norm) {
        CN_SPAN (g, CN_OP_NORM, i, NULL) {
            norm_of_x(job, layer->ffn_norm, layer->ffn_norm_b, n);
        }
    } else if (!m->arch->parallel) {
        job->in = g->x;
    }
    ffn_branch(g, job, n);
}

bool cn_forward(struct cn_group *g, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_callbacks *callbacks = &g->options.callbacks;
    struct tokens_job job = { .g = g, .table = &m->token_embd };

    CN_SPAN (g, CN_OP_EMBED, -1, &m->token_embd) {
        for_tokens(embed, &job, n);
        cn_rope_tables(g, n);
    }
    cn_streams_begin(g, n);

    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        if (callbacks->cancel && callbacks->cancel(callbacks->user))
            return false;
        cn_streams_predict(g, i, n);
        run_layer(g, &job, i, n);
        cn_streams_correct(g, i, n);
    }
    cn_streams_end(g, n);
    keep_hidden(g, &job);
    output_logits(g, &job);
    return true;
}

/* ---- a NextN block --------------------------------------------------------------------------- */

/* The norms of a token's embedding, in g->x, and of the vector before it, side by side. */
static void join(void *context, int token, int thread)
{
    const struct tokens_job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t n = m->hp.n_embd;
    float *const both = g->up + token * 2 * n;
    (void)thread;
    m->ops.vec.rms_norm(n, g->x + token * n, job->layer->nextn_embd_norm, m->hp.norm_eps, both);
    m->ops.vec.rms_norm(n, job->in + token * n, job->layer->nextn_hidden_norm, m->hp.norm_eps,
                        both + n);
}

bool cn_forward_nextn(struct cn_group *g, int64_t n, const float *hidden, float *next,
                      float *logits)
{
    const struct cn_model *m = g->model;
    const struct cn_callbacks *callbacks = &g->options.callbacks;
    const int64_t n_embd = m->hp.n_embd, block = m->hp.n_layer;
    const struct cn_layer *layer = &m->layers[block];
    const struct cn_weight *output = layer->nextn_output.format ? &layer->nextn_output : &m->output;
    struct tokens_job job = { .g = g, .layer = layer };
    if (callbacks->cancel && callbacks->cancel(callbacks->user))
        return false;

    CN_SPAN (g, CN_OP_EMBED, block, &layer->nextn_proj) {
        job.table = layer->nextn_embd.format ? &layer->nextn_embd : &m->token_embd;
        for_tokens(embed, &job, n);
        cn_rope_tables(g, n);
        job.in = hidden;
        for_tokens(join, &job, n);
        cn_input_set(&g->input, g->up, 2 * n_embd, n, 2 * n_embd);
        struct cn_product proj = { &layer->nextn_proj, 0, &g->input, g->x, n_embd };
        cn_products_run(g, &proj, 1);
    }
    run_layer(g, &job, block, n);
    if (!next)
        return true;
    CN_SPAN (g, CN_OP_OUTPUT, block, output) {
        job.weight = layer->nextn_output_norm ? layer->nextn_output_norm : m->output_norm;
        job.bias = NULL;
        job.in = g->x + (n - 1) * n_embd;
        job.out = next;
        for_tokens(norm, &job, 1);
        cn_input_set(&g->input, next, n_embd, 1, n_embd);
        struct cn_product out = { output, 0, &g->input, logits, m->hp.n_vocab };
        cn_products_run(g, &out, 1);
        finish_logits(m, logits);
    }
    return true;
}

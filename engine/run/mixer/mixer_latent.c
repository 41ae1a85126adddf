/* SPDX-License-Identifier: MIT
 *
 * Multi-head latent attention (arXiv 2405.04434). The cache holds one row for all heads: the
 * compressed keys and values c, and the part of the keys that rotates. The matrices that would
 * unfold c into keys and values are absorbed: queries are multiplied with that of the keys before
 * they meet the rows, and what the softmax makes of the rows with that of the values. Where many
 * tokens make it less work, the rows are unfolded instead, for this pass, into keys and values of
 * every head.
 */
#include "base/layout.h"
#include "engine/run/attend.h"
#include "engine/run/mixer/mixer.h"
#include "engine/run/steps.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

extern const struct cn_mixer cn_mixer_latent;

/* Floats of a token, and where in its scratch they begin. */
struct widths {
    int64_t nope, rot, lora, row;                /* of a head, of c, of a row of the cache */
    int64_t q, q_down, kv, absorbed, mixed, out; /* all heads together */
    int64_t total;
    int64_t head, unfolded; /* what a row unfolds into: of a head, of all heads */
};

/* Fewer tokens than this never unfold: the weights' transposition would not pay. */
enum { UNFOLD_TOKENS = 32 };

static struct widths widths_of(const struct cn_model *m, int64_t layer)
{
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    struct widths w = { .nope = hp->d_k - hp->n_rot, .rot = hp->n_rot, .lora = m->hp.kv_lora };
    w.row = w.lora + w.rot;
    w.q = hp->n_head * hp->d_k;
    /* Without layers nobody runs, and only rows are asked for. */
    w.q_down = m->layers && m->layers[layer].q_down.format ? m->hp.q_lora : 0;
    w.kv = w.row;
    w.absorbed = hp->n_head * w.row;
    w.mixed = hp->n_head * w.lora;
    w.out = hp->n_head * hp->d_v;
    w.head = w.nope + hp->d_v;
    w.unfolded = hp->n_head * w.head;
    w.total = w.q + w.q_down + w.kv + w.absorbed + w.mixed + w.out;
    return w;
}

static int64_t capacity_of(const struct cn_mixer_sizes *s, int64_t layer)
{
    return cn_kv_capacity(s->model->hp.layers[layer].window, s->n_ctx, s->n_batch);
}

static size_t state_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    const int64_t row = widths_of(s->model, layer).row;
    return cn_round_up((size_t)capacity_of(s, layer) * cn_kv_row_bytes(s->kv, row), CN_ALIGN);
}

static void place(struct cn_session *s, int64_t layer, void *memory)
{
    const struct cn_mixer_sizes sizes = cn_mixer_sizes_of(s->group);
    const size_t row = cn_kv_row_bytes(sizes.kv, widths_of(s->model, layer).row);
    /* The values are the front of the keys. */
    s->kv[layer] = (struct cn_kv){ .k = memory,
                                   .v = memory,
                                   .n_heads = 1,
                                   .capacity = capacity_of(&sizes, layer),
                                   .k_row_bytes = row,
                                   .v_row_bytes = row };
}

static bool fits_blocks(const struct cn_model *m, int64_t layer, int64_t elems)
{
    const struct widths w = widths_of(m, layer);
    return w.lora % elems == 0 && w.rot % elems == 0;
}

/* What unfolding takes: rows as matrices make them, the transposed matrix of keys, and keys and
 * values of all positions and heads. */
struct unfold {
    float *rows, *turned; /* [n_batch, unfolded], [head][nope][lora] */
    uint8_t *k, *v;       /* [head][n_ctx] rows */
    enum cn_kv_type type;
    size_t k_row_bytes, v_row_bytes, bytes;
};

static struct unfold lay_out_unfold(const struct cn_mixer_sizes *s, int64_t layer, void *memory)
{
    const struct cn_layer_hparams *hp = &s->model->hp.layers[layer];
    const struct widths w = widths_of(s->model, layer);
    struct cn_layout c = { .base = memory };
    struct unfold u = { .type = s->kv == CN_KV_F32 ? CN_KV_F32 : CN_KV_F16 };
    u.k_row_bytes = cn_kv_row_bytes(u.type, hp->d_k);
    u.v_row_bytes = cn_kv_row_bytes(u.type, hp->d_v);
    if (s->n_batch < UNFOLD_TOKENS || hp->window > 0)
        return u;
    u.rows = cn_layout_take(&c, s->n_batch * w.unfolded, sizeof(float));
    u.turned = cn_layout_take(&c, hp->n_head * w.nope * w.lora, sizeof(float));
    u.k = cn_layout_take(&c, hp->n_head * s->n_ctx, u.k_row_bytes);
    u.v = cn_layout_take(&c, hp->n_head * s->n_ctx, u.v_row_bytes);
    u.bytes = c.overflow ? PTRDIFF_MAX : c.used;
    return u;
}

/* What attention wants, in either form. */
static size_t shared_bytes(const struct cn_model *m, int64_t layer)
{
    const struct widths w = widths_of(m, layer);
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    const size_t absorbed = cn_attend_shared_bytes(w.row, w.lora);
    const size_t unfolded = cn_attend_shared_bytes(hp->d_k, hp->d_v);
    return absorbed > unfolded ? absorbed : unfolded;
}

static size_t pass_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    return cn_round_up((size_t)(s->n_batch * widths_of(s->model, layer).total) * sizeof(float) +
                           shared_bytes(s->model, layer),
                       CN_ALIGN);
}

static size_t unfold_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    return lay_out_unfold(s, layer, NULL).bytes;
}

static size_t scratch_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    return pass_bytes(s, layer) + unfold_bytes(s, layer);
}

static size_t thread_scratch_bytes(const struct cn_model *m, int64_t layer)
{
    const struct widths w = widths_of(m, layer);
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    const size_t absorbed = cn_attend_scratch_bytes(hp->n_head, 1, w.row, w.lora);
    const size_t unfolded = cn_attend_scratch_bytes(hp->n_head, hp->n_head, hp->d_k, hp->d_v);
    return absorbed > unfolded ? absorbed : unfolded;
}

static int64_t n_inputs(const struct cn_model *m, int64_t layer, int64_t *n_cols)
{
    const struct widths w = widths_of(m, layer);
    *n_cols = w.nope > w.lora ? w.nope : w.lora;
    return m->hp.layers[layer].n_head;
}

/* n tokens of a pass: all of them, or those of some slices. */
struct job {
    struct cn_group *g;
    const struct cn_layer *layer;
    int64_t layer_index, n;
    struct widths w;
    float *shared; /* scratch of the attention */
    /* [n] of the widths of the same names */
    float *q, *q_down, *kv, *absorbed, *mixed, *out;
    /* which slices, and whether they are one, whose rows are unfolded: */
    const struct cn_slice *slices;
    int n_slices;
    bool unfolded;
    struct unfold unfold;
    int64_t first; /* position of the first of the rows that are being unfolded */
};

static void norm_q(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->g->model;
    float *q = job->q_down + token * job->w.q_down;
    (void)thread;
    m->ops.vec.rms_norm(job->w.q_down, q, job->layer->q_down_norm, m->hp.norm_eps, q);
}

/* Norm and positions; the row goes to the cache. Queries are scaled, and their rotated part goes
 * where the absorbed ones will be. */
static void finish_rows(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const struct cn_layer_hparams *hp = job->layer->hp;
    const struct widths *w = &job->w;
    const struct cn_place *here = &g->places[token];
    float *row = job->kv + token * w->row, *q = job->q + token * w->q;
    (void)thread;
    m->ops.vec.rms_norm(w->lora, row, job->layer->kv_down_norm, m->hp.norm_eps, row);
    cn_rotate(g, hp, token, 1, w->row, row + w->lora);
    cn_kv_store_row(m, g->options.kv, w->row, row,
                    cn_kv_key(&here->session->kv[job->layer_index], 0, here->position));
    cn_rotate(g, hp, token, hp->n_head, hp->d_k, q + w->nope);
    const float scale = cn_query_scale(m, hp, here->position);
    for (int64_t i = 0; i < w->q; i++)
        q[i] *= scale;
    for (int64_t h = 0; h < hp->n_head; h++)
        memcpy(job->absorbed + token * w->absorbed + h * w->row + w->lora,
               q + h * hp->d_k + w->nope, (size_t)w->rot * sizeof *q);
}

/* One head's queries times the transposed rows of keys of a matrix that holds keys and values. */
static void absorb_head(void *context, int head, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_layer_hparams *hp = job->layer->hp;
    const struct cn_weight *kv = &job->layer->kv_up;
    const struct widths *w = &job->w;
    float *row = (float *)(void *)(g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
    const uint8_t *data = kv->data + (size_t)(head * (w->nope + hp->d_v)) * kv->row_bytes;
    for (int64_t t = 0; t < job->n; t++)
        memset(job->absorbed + t * w->absorbed + head * w->row, 0, (size_t)w->lora * sizeof *row);
    for (int64_t i = 0; i < w->nope; i++, data += kv->row_bytes) {
        cn_dequantize_with(&kv->kernels, kv->format, kv->cols, data, row);
        for (int64_t t = 0; t < job->n; t++)
            g->model->ops.vec.axpy(w->lora, job->q[t * w->q + head * hp->d_k + i], row,
                                   job->absorbed + t * w->absorbed + head * w->row);
    }
}

/* The products of each head with its own matrix, from x [n][x_stride] at x_step a head, to y. */
static void each_head(struct cn_group *g, const struct job *job, const struct cn_weight *w,
                      const float *x, int64_t x_stride, int64_t x_step, float *y, int64_t y_stride,
                      int64_t y_step)
{
    const int64_t n_head = job->layer->hp->n_head;
    for (int64_t h = 0; h < n_head; h++) {
        cn_input_set(&g->inputs[h], x + h * x_step, x_stride, job->n, w->cols);
        g->products[h] = (struct cn_product){ w, h, &g->inputs[h], y + h * y_step, y_stride };
    }
    cn_products_run(g, g->products, (int)n_head);
}

static void project(struct cn_group *g, const struct job *job)
{
    const struct cn_layer *layer = job->layer;
    const struct widths *w = &job->w;
    const bool down = layer->q_down.format;
    struct cn_product first[] = {
        {&layer->kv_down,                    0, &g->input, job->kv,                     w->kv},
        { down ? &layer->q_down : &layer->q, 0, &g->input, down ? job->q_down : job->q,
         down ? w->q_down : w->q                                                             },
    };
    cn_products_run(g, first, 2);
    if (!down)
        return;
    cn_pool_run(g->pool, g->n_threads, norm_q, (void *)(uintptr_t)job, (int)job->n);
    cn_input_set(&g->input, job->q_down, w->q_down, job->n, w->q_down);
    struct cn_product up = { &layer->q_up, 0, &g->input, job->q, w->q };
    cn_products_run(g, &up, 1);
}

/* out = the values that the mixed rows unfold into. */
static void unfold_mixed(struct cn_group *g, const struct job *job)
{
    const struct cn_layer *layer = job->layer;
    const struct widths *w = &job->w;
    const int64_t d_v = layer->hp->d_v;
    if (layer->v_up.format) {
        each_head(g, job, &layer->v_up, job->mixed, w->mixed, w->lora, job->out, w->out, d_v);
        return;
    }
    struct cn_weight *parts = g->head_weights;
    for (int64_t h = 0; h < layer->hp->n_head; h++) {
        parts[h] = layer->kv_up;
        parts[h].rows = d_v;
        parts[h].data += (size_t)(h * (w->nope + d_v) + w->nope) * parts[h].row_bytes;
        cn_input_set(&g->inputs[h], job->mixed + h * w->lora, w->mixed, job->n, w->lora);
        g->products[h] =
            (struct cn_product){ &parts[h], 0, &g->inputs[h], job->out + h * d_v, w->out };
    }
    cn_products_run(g, g->products, (int)layer->hp->n_head);
}

/* Whether it is less work to unfold all rows than to absorb: multiplications of a head. */
bool cn_latent_unfolds(const struct cn_model *m, int64_t layer, int64_t position, int64_t n_tokens)
{
    const struct widths w = widths_of(m, layer);
    const struct cn_layer_hparams *hp = &m->hp.layers[layer];
    const double n = (double)n_tokens, before = (double)position;
    const double each = (double)(w.head * w.lora), met = n * (before + n / 2); /* keys by all */
    return n_tokens >= UNFOLD_TOKENS && hp->window == 0 &&
           (before + n) * each + met * (double)(hp->d_k + hp->d_v) <
               n * each + met * (double)(w.row + w.lora);
}

static bool unfolds(const struct job *job, const struct cn_slice *slice)
{
    return cn_latent_unfolds(job->g->model, job->layer_index, slice->position, slice->n);
}

/* The part of a pass from slice `first` on: one that is unfolded, or as many side by side as are
 * not. Returns the slice behind it. */
static int next_part(const struct job *all, int first, struct job *part)
{
    const struct cn_group *g = all->g;
    const struct cn_slice *slice = &g->slices[first];
    const int64_t at = slice->first;
    int end = first + 1;
    *part = *all;
    part->unfolded = unfolds(all, slice);
    part->n = slice->n;
    for (; !part->unfolded && end < g->n_slices && !unfolds(all, &g->slices[end]); end++)
        part->n += g->slices[end].n;
    part->slices = slice;
    part->n_slices = end - first;
    part->q += at * all->w.q;
    part->absorbed += at * all->w.absorbed;
    part->mixed += at * all->w.mixed;
    part->out += at * all->w.out;
    return end;
}

/* A head's matrix of keys, whose rows are those of c, to rows of the keys' components. */
static void turn_head(void *context, int head, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_weight *k = &job->layer->k_up;
    const struct widths *w = &job->w;
    float *row = (float *)(void *)(g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
    float *to = job->unfold.turned + head * w->nope * w->lora;
    const uint8_t *data = k->data + (size_t)(head * w->lora) * k->row_bytes;
    for (int64_t c = 0; c < w->lora; c++, data += k->row_bytes) {
        cn_dequantize_with(&k->kernels, k->format, k->cols, data, row);
        for (int64_t i = 0; i < w->nope; i++)
            to[i * w->lora + c] = row[i];
    }
}

static void load_latent(void *context, int row, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct widths *w = &job->w;
    const struct cn_kv *kv = &job->slices->session->kv[job->layer_index];
    (void)thread;
    cn_kv_load_row(g->model, g->options.kv, w->row, cn_kv_key(kv, 0, job->first + row),
                   job->kv + row * w->row);
}

/* The part that rotates is behind the key of every head. */
static void store_unfolded(void *context, int row, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_layer_hparams *hp = job->layer->hp;
    const struct widths *w = &job->w;
    const struct unfold *u = &job->unfold;
    float *key = (float *)(void *)(g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
    memcpy(key + w->nope, job->kv + row * w->row + w->lora, (size_t)w->rot * sizeof *key);
    for (int64_t h = 0; h < hp->n_head; h++) {
        const float *x = u->rows + row * w->unfolded + h * w->head;
        const size_t at = (size_t)(h * g->n_ctx + job->first + row);
        memcpy(key, x, (size_t)w->nope * sizeof *key);
        cn_kv_store_row(g->model, u->type, hp->d_k, key, u->k + at * u->k_row_bytes);
        cn_kv_store_row(g->model, u->type, hp->d_v, x + w->nope, u->v + at * u->v_row_bytes);
    }
}

/* A head's matrix of keys as turn_head() makes it. */
static struct cn_weight turned_keys(const struct cn_model *m, const struct widths *w,
                                    const float *data)
{
    const struct cn_format *f32 = cn_format_by_name("f32");
    return (struct cn_weight){ .format = f32,
                               .kernels = cn_kernels_for(f32, m->ops.tiers),
                               .rows = w->nope,
                               .cols = w->lora,
                               .n_mats = w->unfolded / w->head,
                               .row_bytes = (size_t)w->lora * sizeof(float),
                               .data = (const uint8_t *)data };
}

/* Keys and values of every position and head. */
static void unfold_rows(struct cn_group *g, struct job *job)
{
    const struct cn_layer *layer = job->layer;
    const struct widths *w = &job->w;
    struct cn_session *s = job->slices->session;
    const int64_t n_head = layer->hp->n_head, end = job->slices->position + job->n;
    const struct cn_weight turned = turned_keys(g->model, w, job->unfold.turned);
    const int64_t bytes = end * (int64_t)s->kv[job->layer_index].k_row_bytes;
    s->work.kv_bytes += bytes;
    s->work.bytes += bytes;
    if (layer->k_up.format)
        cn_pool_run(g->pool, g->n_threads, turn_head, job, (int)n_head);
    for (job->first = 0; job->first < end; job->first += g->n_batch) {
        const int64_t n = end - job->first < g->n_batch ? end - job->first : g->n_batch;
        cn_pool_run(g->pool, g->n_threads, load_latent, job, (int)n);
        cn_input_set(&g->input, job->kv, w->row, n, w->lora);
        int count = 0;
        if (!layer->k_up.format)
            g->products[count++] =
                (struct cn_product){ &layer->kv_up, 0, &g->input, job->unfold.rows, w->unfolded };
        for (int64_t h = 0; layer->k_up.format && h < n_head; h++) {
            float *y = job->unfold.rows + h * w->head;
            g->products[count++] = (struct cn_product){ &turned, h, &g->input, y, w->unfolded };
            g->products[count++] =
                (struct cn_product){ &layer->v_up, h, &g->input, y + w->nope, w->unfolded };
        }
        cn_products_run(g, g->products, count);
        cn_pool_run(g->pool, g->n_threads, store_unfolded, job, (int)n);
    }
}

/* Absorbing takes the pass's tokens through the matrices, unfolding every row so far. */
static void products_work(const struct cn_model *m, int64_t layer, enum cn_op op, int64_t position,
                          int64_t n, struct cn_work *work)
{
    const struct cn_layer *l = &m->layers[layer];
    const struct widths w = widths_of(m, layer);
    const bool unfolded = cn_latent_unfolds(m, layer, position, n), split = l->k_up.format;
    const double heads = (double)l->hp->n_head, rows = (double)(position + n);
    if (op == CN_OP_ABSORB && unfolded && split) {
        const struct cn_weight turned = turned_keys(m, &w, NULL);
        cn_work_add(work, m, &turned, heads, rows);
        cn_work_add(work, m, &l->v_up, heads, rows);
    } else if (op == CN_OP_ABSORB && unfolded) {
        cn_work_add(work, m, &l->kv_up, 1, rows);
    } else if (op == CN_OP_ABSORB && split) {
        cn_work_add(work, m, &l->k_up, heads, (double)n);
    } else if (op == CN_OP_ATTN_OUT && !unfolded) {
        struct cn_weight values = split ? l->v_up : l->kv_up;
        values.rows = l->hp->d_v;
        cn_work_add(work, m, &values, heads, (double)n);
    }
}

static void attend(struct cn_group *g, const struct job *job)
{
    const struct cn_layer_hparams *hp = job->layer->hp;
    const struct widths *w = &job->w;
    const bool unfolded = job->unfolded;
    const struct cn_kv rows = { .k = job->unfold.k,
                                .v = job->unfold.v,
                                .capacity = g->n_ctx,
                                .k_row_bytes = job->unfold.k_row_bytes,
                                .v_row_bytes = job->unfold.v_row_bytes };
    struct cn_attend each[CN_MAX_LANES];
    for (int i = 0; i < job->n_slices; i++) {
        const struct cn_slice *slice = &job->slices[i];
        const int64_t at = slice->first - job->slices->first;
        each[i] = (struct cn_attend){
            .g = g,
            .kv = unfolded ? &rows : &slice->session->kv[job->layer_index],
            .type = unfolded ? job->unfold.type : g->options.kv,
            .work = unfolded ? NULL : &slice->session->work,
            .position = slice->position,
            .n = slice->n,
            .n_head = hp->n_head,
            .n_head_kv = unfolded ? hp->n_head : 1,
            .d_k = unfolded ? hp->d_k : w->row,
            .d_v = unfolded ? hp->d_v : w->lora,
            .q = unfolded ? job->q : job->absorbed + at * w->absorbed,
            .q_stride = unfolded ? w->q : w->absorbed,
            .out = unfolded ? job->out : job->mixed + at * w->mixed,
            .window = hp->window,
            .softcap = g->model->hp.attn_softcap,
        };
    }
    cn_attend(each, job->n_slices, job->shared);
}

static void run(struct cn_group *g, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = &m->layers[index];
    const struct cn_layer_hparams *hp = layer->hp;
    struct job part, job = { g, layer, index, n, widths_of(m, index), .shared = g->mixer_scratch };
    const struct widths *w = &job.w;
    job.q = job.shared + shared_bytes(m, index) / sizeof(float);
    job.q_down = job.q + g->n_batch * w->q;
    job.kv = job.q_down + g->n_batch * w->q_down;
    job.absorbed = job.kv + g->n_batch * w->kv;
    job.mixed = job.absorbed + g->n_batch * w->absorbed;
    job.out = job.mixed + g->n_batch * w->mixed;
    const struct cn_mixer_sizes sizes = cn_mixer_sizes_of(g);
    job.unfold =
        lay_out_unfold(&sizes, index, (char *)g->mixer_scratch + pass_bytes(&sizes, index));

    CN_SPAN (g, CN_OP_QKV, index, &layer->kv_down) {
        cn_input_set(&g->input, x, m->hp.n_embd, n, m->hp.n_embd);
        project(g, &job);
    }

    CN_SPAN (g, CN_OP_ROPE, index, NULL) {
        cn_pool_run(g->pool, g->n_threads, finish_rows, &job, (int)n);
    }

    for (int i = 0; i < g->n_slices;) {
        i = next_part(&job, i, &part);
        CN_SPAN (g, CN_OP_ABSORB, index, layer->k_up.format ? &layer->k_up : &layer->kv_up) {
            if (part.unfolded)
                unfold_rows(g, &part);
            else if (layer->k_up.format)
                each_head(g, &part, &layer->k_up, part.q, w->q, hp->d_k, part.absorbed, w->absorbed,
                          w->row);
            else
                cn_pool_run(g->pool, g->n_threads, absorb_head, &part, (int)hp->n_head);
        }
        CN_SPAN (g, CN_OP_ATTENTION, index, NULL) {
            attend(g, &part);
        }
    }

    CN_SPAN (g, CN_OP_ATTN_OUT, index, &layer->attn_out) {
        for (int i = 0; i < g->n_slices;) {
            i = next_part(&job, i, &part);
            if (!part.unfolded)
                unfold_mixed(g, &part);
        }
        cn_product_to_t(g, &layer->attn_out, job.out, w->out, n, w->out);
    }
}

const struct cn_mixer cn_mixer_latent = {
    .name = "latent attention",
    .state_bytes = state_bytes,
    .place = place,
    .fits_blocks = fits_blocks,
    .scratch_bytes = scratch_bytes,
    .thread_scratch_bytes = thread_scratch_bytes,
    .unfold_bytes = unfold_bytes,
    .n_inputs = n_inputs,
    .products_work = products_work,
    .float_inputs = true,
    .run = run,
};

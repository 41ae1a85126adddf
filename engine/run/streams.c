/* SPDX-License-Identifier: MIT */
#include "engine/run/streams.h"

#include <math.h>
#include <string.h>

enum { MAX_STREAMS = 8 };

struct job {
    struct cn_group *g;
    const struct cn_layer *layer;
    int64_t layer_index, n;
    int64_t stream;
};

static void for_tokens(cn_chunk_fn *fn, struct job *job)
{
    cn_pool_run(job->g->pool, job->g->n_threads, fn, job, (int)job->n);
}

void cn_streams_carve(struct cn_group *g, struct cn_layout *c)
{
    const struct cn_hparams *hp = &g->model->hp;
    const int64_t n = g->n_batch;
    if (hp->n_per_layer)
        g->layer_inputs = cn_layout_take(c, n * hp->n_layer * hp->n_per_layer, sizeof(float));
    if (!hp->n_streams)
        return;
    g->streams = cn_layout_take(c, (hp->n_streams - 1) * n * hp->n_embd, sizeof(float));
    g->predicted = cn_layout_take(c, hp->n_streams * n * hp->n_embd, sizeof(float));
    g->laurel = cn_layout_take(c, n * hp->n_embd, sizeof(float));
}

/* Stream j of a token; 0 is the residual one. */
static float *stream_of(const struct cn_group *g, int64_t j, int64_t token)
{
    const int64_t d = g->model->hp.n_embd;
    return j == 0 ? g->x + token * d : g->streams + ((j - 1) * g->n_batch + token) * d;
}

static float *prediction_of(const struct cn_group *g, int64_t j, int64_t token)
{
    return g->predicted + (j * g->n_batch + token) * g->model->hp.n_embd;
}

static float length_of(const struct cn_model *m, const float *x)
{
    return sqrtf(m->ops.vec.dot(m->hp.n_embd, x, x));
}

/* y times what makes it as long as x; a y of no length stays. */
static float fit_length(const struct cn_model *m, const float *x, const float *y)
{
    const float found = length_of(m, y);
    return found > 0 ? length_of(m, x) / found : 1;
}

/* (norm(projection) + embedding) / sqrt(2), for every layer. */
static void finish_inputs(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const struct cn_weight *e = &m->layer_embd;
    const int64_t p = m->hp.n_per_layer, all = p * m->hp.n_layer;
    float *row = (float *)(void *)(g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
    float *x = g->layer_inputs + token * all;
    const float to_unit = 1 / sqrtf((float)m->hp.n_embd), half = sqrtf(0.5f);
    const float embedding = sqrtf((float)p) * half;
    cn_dequantize_with(&e->kernels, e->format, e->cols,
                       e->data + (size_t)g->places[token].token * e->row_bytes, row);
    for (int64_t i = 0; i < all; i++)
        x[i] *= to_unit;
    for (int64_t i = 0; i < all; i += p)
        m->ops.vec.rms_norm(p, x + i, m->layer_proj_norm, m->hp.norm_eps, x + i);
    for (int64_t i = 0; i < all; i++)
        x[i] = x[i] * half + row[i] * embedding;
}

static void begin_stream(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->g->model;
    float *y = stream_of(job->g, job->stream, token);
    (void)thread;
    const float factor = fit_length(m, stream_of(job->g, 0, token), y);
    for (int64_t i = 0; i < m->hp.n_embd; i++)
        y[i] *= factor;
}

void cn_streams_begin(struct cn_group *g, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_hparams *hp = &m->hp;
    struct job job = { .g = g, .n = n };
    if (!hp->n_per_layer && !hp->n_streams)
        return;
    CN_SPAN (g, CN_OP_STREAMS, -1, &m->layer_proj) {
        cn_input_set(&g->input, g->x, hp->n_embd, n, hp->n_embd);
        if (hp->n_per_layer) {
            struct cn_product p = { &m->layer_proj, 0, &g->input, g->layer_inputs,
                                    m->layer_proj.rows };
            cn_products_run(g, &p, 1);
            for_tokens(finish_inputs, &job);
        }
        for (job.stream = 1; job.stream < hp->n_streams; job.stream++) {
            struct cn_product p = { &m->altup_proj, job.stream - 1, &g->input,
                                    stream_of(g, job.stream, 0), hp->n_embd };
            cn_products_run(g, &p, 1);
            for_tokens(begin_stream, &job);
        }
    }
}

/* tanh(router(norm(x) / n_embd)): how much of each stream. norm: room for n_embd. */
static void route(const struct cn_model *m, const struct cn_layer *layer, const float *x,
                  float *norm, float *r)
{
    const int64_t d = m->hp.n_embd;
    m->ops.vec.rms_norm(d, x, layer->altup_router_norm, m->hp.norm_eps, norm);
    for (int64_t j = 0; j < m->hp.n_streams; j++)
        r[j] = tanhf(m->ops.vec.dot(d, layer->altup_router + j * d, norm) / (float)d);
}

static void predict(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t d = m->hp.n_embd, k = m->hp.n_streams;
    float r[MAX_STREAMS];
    (void)thread;
    route(m, job->layer, stream_of(g, 0, token), g->h + token * d, r);
    for (int64_t j = 0; j < k; j++) {
        float *z = prediction_of(g, j, token);
        memcpy(z, stream_of(g, j, token), (size_t)d * sizeof *z);
        for (int64_t i = 0; i < k; i++)
            m->ops.vec.axpy(d, m->ops.vec.dot(k, job->layer->altup_predict + (j * k + i) * k, r),
                            stream_of(g, i, token), z);
    }
    memcpy(stream_of(g, 0, token), prediction_of(g, 0, token), (size_t)d * sizeof(float));
}

void cn_streams_predict(struct cn_group *g, int64_t layer, int64_t n)
{
    struct job job = { .g = g, .layer = &g->model->layers[layer], .layer_index = layer, .n = n };
    if (!g->model->hp.n_streams)
        return;
    CN_SPAN (g, CN_OP_STREAMS, layer, NULL) {
        for_tokens(predict, &job);
    }
}

static void finish_laurel(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->g->model;
    const int64_t d = m->hp.n_embd;
    float *l = job->g->laurel + token * d;
    (void)thread;
    m->ops.vec.rms_norm(d, l, job->layer->laurel_norm, m->hp.norm_eps, l);
    m->ops.vec.axpy(d, 1, job->g->h + token * d, l);
}

void cn_laurel_begin(struct cn_group *g, int64_t layer, int64_t n)
{
    const struct cn_layer *l = &g->model->layers[layer];
    const int64_t d = g->model->hp.n_embd, rank = l->laurel_down.rows;
    struct job job = { .g = g, .layer = l, .layer_index = layer, .n = n };
    if (!l->laurel_down.format)
        return;
    CN_SPAN (g, CN_OP_STREAMS, layer, &l->laurel_down) {
        cn_input_set(&g->input, g->h, d, n, d);
        struct cn_product down = { &l->laurel_down, 0, &g->input, g->gate, rank };
        cn_products_run(g, &down, 1);
        cn_input_set(&g->input, g->gate, rank, n, rank);
        struct cn_product up = { &l->laurel_up, 0, &g->input, g->laurel, d };
        cn_products_run(g, &up, 1);
        for_tokens(finish_laurel, &job);
    }
}

static void add_laurel(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t d = job->g->model->hp.n_embd;
    const float *l = job->g->laurel + token * d, half = sqrtf(0.5f);
    float *x = job->g->x + token * d;
    (void)thread;
    for (int64_t i = 0; i < d; i++)
        x[i] = (x[i] + l[i]) * half;
}

void cn_laurel_add(struct cn_group *g, int64_t layer, int64_t n)
{
    struct job job = { .g = g, .layer = &g->model->layers[layer], .layer_index = layer, .n = n };
    if (job.layer->laurel_down.format)
        for_tokens(add_laurel, &job);
}

/* X_j = Z_j + (coefficient_j + 1) (y - Z_0), y the layer's result. */
static void correct(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t d = m->hp.n_embd, k = m->hp.n_streams;
    const float *z0 = prediction_of(g, 0, token);
    float *new = g->t + token *d, *y = stream_of(g, 0, token), r[MAX_STREAMS];
    (void)thread;
    route(m, job->layer, y, new, r);
    for (int64_t i = 0; i < d; i++)
        new[i] = y[i] - z0[i];
    for (int64_t j = 0; j < k; j++) {
        float *x = stream_of(g, j, token);
        memcpy(x, prediction_of(g, j, token), (size_t)d * sizeof *x);
        m->ops.vec.axpy(d, 1 + m->ops.vec.dot(k, job->layer->altup_correct + j * k, r), new, x);
    }
}

static void scale_input(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t d = job->g->model->hp.n_embd;
    (void)thread;
    for (int64_t i = 0; i < d; i++)
        job->g->h[token * d + i] = job->g->x[token * d + i] * job->layer->altup_scale[i];
}

static void gate_input(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_hparams *hp = &g->model->hp;
    float *gate = g->gate + token * hp->n_per_layer;
    (void)thread;
    g->model->ops.vec.gelu_mul(
        hp->n_per_layer, gate,
        g->layer_inputs + (token * hp->n_layer + job->layer_index) * hp->n_per_layer, gate);
}

/* The input goes to the stream that there is, or to all but the active one. */
static void add_input(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t d = m->hp.n_embd;
    float *t = g->t + token * d;
    (void)thread;
    m->ops.vec.rms_norm(d, t, job->layer->input_norm, m->hp.norm_eps, t);
    if (!m->hp.n_streams)
        m->ops.vec.axpy(d, 1, t, g->x + token * d);
    for (int64_t j = 1; j < m->hp.n_streams; j++)
        m->ops.vec.axpy(d, 1, t, stream_of(g, j, token));
}

static void scale_output(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t d = job->g->model->hp.n_embd;
    (void)thread;
    for (int64_t i = 0; i < d; i++)
        job->g->x[token * d + i] *= job->layer->layer_scale[0];
}

void cn_streams_correct(struct cn_group *g, int64_t layer, int64_t n)
{
    const struct cn_layer *l = &g->model->layers[layer];
    const int64_t d = g->model->hp.n_embd, p = g->model->hp.n_per_layer;
    struct job job = { .g = g, .layer = l, .layer_index = layer, .n = n };
    if (!g->model->hp.n_streams && !l->input_gate.format && !l->layer_scale)
        return;
    CN_SPAN (g, CN_OP_STREAMS, layer, l->input_gate.format ? &l->input_gate : NULL) {
        if (g->model->hp.n_streams)
            for_tokens(correct, &job);
        if (l->input_gate.format) {
            if (l->altup_scale)
                for_tokens(scale_input, &job);
            cn_input_set(&g->input, l->altup_scale ? g->h : g->x, d, n, d);
            struct cn_product gate = { &l->input_gate, 0, &g->input, g->gate, p };
            cn_products_run(g, &gate, 1);
            for_tokens(gate_input, &job);
            cn_input_set(&g->input, g->gate, p, n, p);
            struct cn_product proj = { &l->input_proj, 0, &g->input, g->t, d };
            cn_products_run(g, &proj, 1);
            for_tokens(add_input, &job);
        }
        if (l->layer_scale)
            for_tokens(scale_output, &job);
    }
}

/* Adds a stream's projection, as long as the active stream was, and with the last divides. */
static void end_stream(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_model *m = g->model;
    const int64_t d = m->hp.n_embd, k = m->hp.n_streams;
    float *sum = g->h + token * d, *x = g->x + token * d;
    const float *y = g->t + token * d;
    (void)thread;
    if (job->stream == 1)
        memcpy(sum, x, (size_t)d * sizeof *sum);
    m->ops.vec.axpy(d, fit_length(m, x, y), y, sum);
    for (int64_t i = 0; job->stream == k - 1 && i < d; i++)
        x[i] = sum[i] / (float)k;
}

void cn_streams_end(struct cn_group *g, int64_t n)
{
    const struct cn_model *m = g->model;
    const int64_t d = m->hp.n_embd;
    struct job job = { .g = g, .n = n };
    if (!m->hp.n_streams)
        return;
    CN_SPAN (g, CN_OP_STREAMS, -1, &m->altup_unproj) {
        for (job.stream = 1; job.stream < m->hp.n_streams; job.stream++) {
            cn_input_set(&g->input, stream_of(g, job.stream, 0), d, n, d);
            struct cn_product p = { &m->altup_unproj, job.stream - 1, &g->input, g->t, d };
            cn_products_run(g, &p, 1);
            for_tokens(end_stream, &job);
        }
    }
}

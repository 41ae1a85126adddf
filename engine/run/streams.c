/* SPDX-License-Identifier: MIT */
#include "engine/run/streams.h"

#include <math.h>
#include <string.h>

enum { MAX_STREAMS = 8 };

struct job {
    struct cn_session *s;
    const struct cn_layer *layer;
    int64_t layer_index, n;
    const int32_t *tokens;
    int64_t stream;
};

static void for_tokens(cn_chunk_fn *fn, struct job *job)
{
    cn_pool_run(job->s->pool, job->s->n_threads, fn, job, (int)job->n);
}

void cn_streams_carve(struct cn_session *s, struct cn_layout *c)
{
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t n = s->n_batch;
    if (hp->n_per_layer)
        s->layer_inputs = cn_layout_take(c, n * hp->n_layer * hp->n_per_layer, sizeof(float));
    if (!hp->n_streams)
        return;
    s->streams = cn_layout_take(c, (hp->n_streams - 1) * n * hp->n_embd, sizeof(float));
    s->predicted = cn_layout_take(c, hp->n_streams * n * hp->n_embd, sizeof(float));
    s->laurel = cn_layout_take(c, n * hp->n_embd, sizeof(float));
}

/* Stream j of a token; 0 is the residual one. */
static float *stream_of(const struct cn_session *s, int64_t j, int64_t token)
{
    const int64_t d = s->model->hp.n_embd;
    return j == 0 ? s->x + token * d : s->streams + ((j - 1) * s->n_batch + token) * d;
}

static float *prediction_of(const struct cn_session *s, int64_t j, int64_t token)
{
    return s->predicted + (j * s->n_batch + token) * s->model->hp.n_embd;
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
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const struct cn_weight *e = &m->layer_embd;
    const int64_t p = m->hp.n_per_layer, all = p * m->hp.n_layer;
    float *row = (float *)(void *)(s->thread_scratch + (size_t)thread * s->thread_scratch_bytes);
    float *x = s->layer_inputs + token * all;
    const float to_unit = 1 / sqrtf((float)m->hp.n_embd), half = sqrtf(0.5f);
    const float embedding = sqrtf((float)p) * half;
    cn_dequantize_with(&e->kernels, e->format, e->cols,
                       e->data + (size_t)job->tokens[token] * e->row_bytes, row);
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
    const struct cn_model *m = job->s->model;
    float *y = stream_of(job->s, job->stream, token);
    (void)thread;
    const float factor = fit_length(m, stream_of(job->s, 0, token), y);
    for (int64_t i = 0; i < m->hp.n_embd; i++)
        y[i] *= factor;
}

void cn_streams_begin(struct cn_session *s, const int32_t *tokens, int64_t n)
{
    const struct cn_model *m = s->model;
    const struct cn_hparams *hp = &m->hp;
    struct job job = { .s = s, .tokens = tokens, .n = n };
    if (!hp->n_per_layer && !hp->n_streams)
        return;
    CN_SPAN (s, CN_OP_STREAMS, -1, &m->layer_proj) {
        cn_input_set(&s->input, s->x, hp->n_embd, n, hp->n_embd);
        if (hp->n_per_layer) {
            struct cn_product p = { &m->layer_proj, 0, &s->input, s->layer_inputs,
                                    m->layer_proj.rows };
            cn_products_run(s, &p, 1);
            for_tokens(finish_inputs, &job);
        }
        for (job.stream = 1; job.stream < hp->n_streams; job.stream++) {
            struct cn_product p = { &m->altup_proj, job.stream - 1, &s->input,
                                    stream_of(s, job.stream, 0), hp->n_embd };
            cn_products_run(s, &p, 1);
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
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const int64_t d = m->hp.n_embd, k = m->hp.n_streams;
    float r[MAX_STREAMS];
    (void)thread;
    route(m, job->layer, stream_of(s, 0, token), s->h + token * d, r);
    for (int64_t j = 0; j < k; j++) {
        float *z = prediction_of(s, j, token);
        memcpy(z, stream_of(s, j, token), (size_t)d * sizeof *z);
        for (int64_t i = 0; i < k; i++)
            m->ops.vec.axpy(d, m->ops.vec.dot(k, job->layer->altup_predict + (j * k + i) * k, r),
                            stream_of(s, i, token), z);
    }
    memcpy(stream_of(s, 0, token), prediction_of(s, 0, token), (size_t)d * sizeof(float));
}

void cn_streams_predict(struct cn_session *s, int64_t layer, int64_t n)
{
    struct job job = { .s = s, .layer = &s->model->layers[layer], .layer_index = layer, .n = n };
    if (!s->model->hp.n_streams)
        return;
    CN_SPAN (s, CN_OP_STREAMS, layer, NULL) {
        for_tokens(predict, &job);
    }
}

static void finish_laurel(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->s->model;
    const int64_t d = m->hp.n_embd;
    float *l = job->s->laurel + token * d;
    (void)thread;
    m->ops.vec.rms_norm(d, l, job->layer->laurel_norm, m->hp.norm_eps, l);
    m->ops.vec.axpy(d, 1, job->s->h + token * d, l);
}

void cn_laurel_begin(struct cn_session *s, int64_t layer, int64_t n)
{
    const struct cn_layer *l = &s->model->layers[layer];
    const int64_t d = s->model->hp.n_embd, rank = l->laurel_down.rows;
    struct job job = { .s = s, .layer = l, .layer_index = layer, .n = n };
    if (!l->laurel_down.format)
        return;
    CN_SPAN (s, CN_OP_STREAMS, layer, &l->laurel_down) {
        cn_input_set(&s->input, s->h, d, n, d);
        struct cn_product down = { &l->laurel_down, 0, &s->input, s->gate, rank };
        cn_products_run(s, &down, 1);
        cn_input_set(&s->input, s->gate, rank, n, rank);
        struct cn_product up = { &l->laurel_up, 0, &s->input, s->laurel, d };
        cn_products_run(s, &up, 1);
        for_tokens(finish_laurel, &job);
    }
}

static void add_laurel(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t d = job->s->model->hp.n_embd;
    const float *l = job->s->laurel + token * d, half = sqrtf(0.5f);
    float *x = job->s->x + token * d;
    (void)thread;
    for (int64_t i = 0; i < d; i++)
        x[i] = (x[i] + l[i]) * half;
}

void cn_laurel_add(struct cn_session *s, int64_t layer, int64_t n)
{
    struct job job = { .s = s, .layer = &s->model->layers[layer], .layer_index = layer, .n = n };
    if (job.layer->laurel_down.format)
        for_tokens(add_laurel, &job);
}

/* X_j = Z_j + (coefficient_j + 1) (y - Z_0), y the layer's result. */
static void correct(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const int64_t d = m->hp.n_embd, k = m->hp.n_streams;
    const float *z0 = prediction_of(s, 0, token);
    float *new = s->t + token *d, *y = stream_of(s, 0, token), r[MAX_STREAMS];
    (void)thread;
    route(m, job->layer, y, new, r);
    for (int64_t i = 0; i < d; i++)
        new[i] = y[i] - z0[i];
    for (int64_t j = 0; j < k; j++) {
        float *x = stream_of(s, j, token);
        memcpy(x, prediction_of(s, j, token), (size_t)d * sizeof *x);
        m->ops.vec.axpy(d, 1 + m->ops.vec.dot(k, job->layer->altup_correct + j * k, r), new, x);
    }
}

static void scale_input(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t d = job->s->model->hp.n_embd;
    (void)thread;
    for (int64_t i = 0; i < d; i++)
        job->s->h[token * d + i] = job->s->x[token * d + i] * job->layer->altup_scale[i];
}

static void gate_input(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_session *s = job->s;
    const struct cn_hparams *hp = &s->model->hp;
    float *gate = s->gate + token * hp->n_per_layer;
    (void)thread;
    s->model->ops.vec.gelu_mul(
        hp->n_per_layer, gate,
        s->layer_inputs + (token * hp->n_layer + job->layer_index) * hp->n_per_layer, gate);
}

/* The input goes to the stream that there is, or to all but the active one. */
static void add_input(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const int64_t d = m->hp.n_embd;
    float *t = s->t + token * d;
    (void)thread;
    m->ops.vec.rms_norm(d, t, job->layer->input_norm, m->hp.norm_eps, t);
    if (!m->hp.n_streams)
        m->ops.vec.axpy(d, 1, t, s->x + token * d);
    for (int64_t j = 1; j < m->hp.n_streams; j++)
        m->ops.vec.axpy(d, 1, t, stream_of(s, j, token));
}

static void scale_output(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t d = job->s->model->hp.n_embd;
    (void)thread;
    for (int64_t i = 0; i < d; i++)
        job->s->x[token * d + i] *= job->layer->layer_scale[0];
}

void cn_streams_correct(struct cn_session *s, int64_t layer, int64_t n)
{
    const struct cn_layer *l = &s->model->layers[layer];
    const int64_t d = s->model->hp.n_embd, p = s->model->hp.n_per_layer;
    struct job job = { .s = s, .layer = l, .layer_index = layer, .n = n };
    if (!s->model->hp.n_streams && !l->input_gate.format && !l->layer_scale)
        return;
    CN_SPAN (s, CN_OP_STREAMS, layer, l->input_gate.format ? &l->input_gate : NULL) {
        if (s->model->hp.n_streams)
            for_tokens(correct, &job);
        if (l->input_gate.format) {
            if (l->altup_scale)
                for_tokens(scale_input, &job);
            cn_input_set(&s->input, l->altup_scale ? s->h : s->x, d, n, d);
            struct cn_product gate = { &l->input_gate, 0, &s->input, s->gate, p };
            cn_products_run(s, &gate, 1);
            for_tokens(gate_input, &job);
            cn_input_set(&s->input, s->gate, p, n, p);
            struct cn_product proj = { &l->input_proj, 0, &s->input, s->t, d };
            cn_products_run(s, &proj, 1);
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
    const struct cn_session *s = job->s;
    const struct cn_model *m = s->model;
    const int64_t d = m->hp.n_embd, k = m->hp.n_streams;
    float *sum = s->h + token * d, *x = s->x + token * d;
    const float *y = s->t + token * d;
    (void)thread;
    if (job->stream == 1)
        memcpy(sum, x, (size_t)d * sizeof *sum);
    m->ops.vec.axpy(d, fit_length(m, x, y), y, sum);
    for (int64_t i = 0; job->stream == k - 1 && i < d; i++)
        x[i] = sum[i] / (float)k;
}

void cn_streams_end(struct cn_session *s, int64_t n)
{
    const struct cn_model *m = s->model;
    const int64_t d = m->hp.n_embd;
    struct job job = { .s = s, .n = n };
    if (!m->hp.n_streams)
        return;
    CN_SPAN (s, CN_OP_STREAMS, -1, &m->altup_unproj) {
        for (job.stream = 1; job.stream < m->hp.n_streams; job.stream++) {
            cn_input_set(&s->input, stream_of(s, job.stream, 0), d, n, d);
            struct cn_product p = { &m->altup_unproj, job.stream - 1, &s->input, s->t, d };
            cn_products_run(s, &p, 1);
            for_tokens(end_stream, &job);
        }
    }
}

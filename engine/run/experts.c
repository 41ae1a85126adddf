/* SPDX-License-Identifier: MIT
 *
 * Mixtures of experts: the router chooses, tokens are grouped by expert, each expert's products run
 * once over its tokens.
 */
#include "engine/run/session.h"

#include <math.h>
#include <string.h>

#define TAKEN (-1.0f) /* no probability */

/* Softmax over all experts, the k largest (ties: the lower number), weights as the model wants. */
static void choose(const struct cn_session *s, float *p, int32_t *chosen, float *weight)
{
    const struct cn_hparams *hp = &s->model->hp;
    const struct cn_vec *vec = &s->model->ops.vec;
    float sum = vec->exp_sum(hp->n_expert, vec->max(hp->n_expert, p), p), total = 0;
    for (int64_t j = 0; j < hp->n_expert_used; j++) {
        int64_t best = -1;
        for (int64_t e = 0; e < hp->n_expert; e++)
            if (p[e] >= 0 && (best < 0 || p[e] > p[best]))
                best = e;
        /* NaN (a damaged file): any expert does, but none twice: buffers hold a batch each. */
        for (int64_t e = 0; best < 0; e++)
            if (p[e] != TAKEN)
                best = e;
        chosen[j] = (int32_t)best;
        weight[j] = p[best] / sum;
        total += weight[j];
        p[best] = TAKEN;
    }
    for (int64_t j = 0; j < hp->n_expert_used; j++) {
        if (s->model->arch->normalise_experts)
            weight[j] /= fmaxf(total, 6.103515625e-5f);
        weight[j] *= hp->expert_scale;
    }
}

struct job {
    struct cn_session *s;
    int64_t n_ff;
    float *gate, *up;
};

static void choose_chunk(void *context, int token, int thread)
{
    const struct cn_session *s = ((struct job *)context)->s;
    const struct cn_hparams *hp = &s->model->hp;
    (void)thread;
    choose(s, s->router + token * hp->n_expert, s->chosen + token * hp->n_expert_used,
           s->chosen_weight + token * hp->n_expert_used);
}

/* Slots: the choices of all tokens sorted by expert, in order of tokens within an expert. */
static void group_by_expert(struct cn_session *s, int64_t n)
{
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t used = hp->n_expert_used;
    int32_t *first = s->expert_first;
    memset(first, 0, (size_t)(hp->n_expert + 1) * sizeof *first);
    for (int64_t i = 0; i < n * used; i++)
        first[s->chosen[i] + 1]++;
    for (int64_t e = 0; e < hp->n_expert; e++)
        first[e + 1] += first[e];
    for (int64_t i = 0; i < n * used; i++) {
        int32_t slot = first[s->chosen[i]]++;
        s->slot_token[slot] = (int32_t)(i / used);
        s->token_slot[i] = slot;
    }
    /* Filling moved each start to the next one's: move back. */
    memmove(first + 1, first, (size_t)hp->n_expert * sizeof *first);
    first[0] = 0;
}

static void gather_chunk(void *context, int slot, int thread)
{
    const struct cn_session *s = ((struct job *)context)->s;
    const int64_t d = s->model->hp.n_embd;
    (void)thread;
    memcpy(s->expert_x + slot * d, s->h + s->slot_token[slot] * d, (size_t)d * sizeof(float));
}

static void activate_chunk(void *context, int row, int thread)
{
    const struct job *job = context;
    const struct cn_vec *vec = &job->s->model->ops.vec;
    float *gate = job->gate + row * job->n_ff, *up = job->up + row * job->n_ff;
    (void)thread;
    (job->s->model->arch->gelu ? vec->gelu_mul : vec->silu_mul)(job->n_ff, gate, up, gate);
}

/* s->t = the chosen experts' outputs, weighted, in the order of choice. */
static void combine_chunk(void *context, int token, int thread)
{
    const struct cn_session *s = ((struct job *)context)->s;
    const struct cn_hparams *hp = &s->model->hp;
    float *t = s->t + token * hp->n_embd;
    (void)thread;
    memset(t, 0, (size_t)hp->n_embd * sizeof *t);
    for (int64_t j = 0; j < hp->n_expert_used; j++) {
        int64_t i = token * hp->n_expert_used + j;
        s->model->ops.vec.axpy(hp->n_embd, s->chosen_weight[i],
                               s->expert_y + s->token_slot[i] * hp->n_embd, t);
    }
}

/* Points each busy expert's input at its slots; returns the number of busy ones' products. */
static int expert_products(struct cn_session *s, const struct cn_weight *const *weights,
                           int n_weights, const float *x, int64_t n_cols, float *const *ys)
{
    int n = 0;
    for (int64_t e = 0; e < s->model->hp.n_expert; e++) {
        int64_t slot = s->expert_first[e], count = s->expert_first[e + 1] - slot;
        if (count == 0)
            continue;
        cn_input_set(&s->expert_inputs[e], x + slot * n_cols, n_cols, count, n_cols);
        for (int w = 0; w < n_weights; w++)
            s->products[n++] =
                (struct cn_product){ weights[w], e, &s->expert_inputs[e],
                                     ys[w] + slot * weights[w]->rows, weights[w]->rows };
    }
    return n;
}

static void shared_expert(struct cn_session *s, const struct cn_layer *layer, int64_t n)
{
    const struct cn_hparams *hp = &s->model->hp;
    const struct cn_vec *vec = &s->model->ops.vec;
    struct cn_product up[] = {
        {&layer->gate_shared, 0, &s->input, s->gate, hp->n_ff_shared},
        { &layer->up_shared,  0, &s->input, s->up,   hp->n_ff_shared},
    };
    cn_input_set(&s->input, s->h, hp->n_embd, n, hp->n_embd);
    cn_products_run(s, up, 2);
    struct job job = { s, hp->n_ff_shared, s->gate, s->up };
    cn_pool_run(s->pool, s->n_threads, activate_chunk, &job, (int)n);
    cn_input_set(&s->input, s->gate, hp->n_ff_shared, n, hp->n_ff_shared);
    struct cn_product down = { &layer->down_shared, 0, &s->input, s->expert_y, hp->n_embd };
    cn_products_run(s, &down, 1);
    for (int64_t t = 0; t < n; t++) {
        float gate = vec->dot(hp->n_embd, layer->shared_router, s->h + t * hp->n_embd);
        vec->axpy(hp->n_embd, 1 / (1 + expf(-gate)), s->expert_y + t * hp->n_embd,
                  s->t + t * hp->n_embd);
    }
}

void cn_experts(struct cn_session *s, const struct cn_layer *layer, int64_t layer_index, int64_t n)
{
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t ff = hp->n_ff_expert, slots = n * hp->n_expert_used;
    struct job job = { s, ff, s->gate, s->up };

    CN_SPAN (s, CN_OP_ROUTER, layer_index, &layer->router) {
        cn_input_set(&s->input, s->h, hp->n_embd, n, hp->n_embd);
        struct cn_product route = { &layer->router, 0, &s->input, s->router, hp->n_expert };
        cn_products_run(s, &route, 1);
        cn_pool_run(s->pool, s->n_threads, choose_chunk, &job, (int)n);
        group_by_expert(s, n);
    }

    CN_SPAN (s, CN_OP_FFN_UP, layer_index, &layer->up_exps) {
        cn_pool_run(s->pool, s->n_threads, gather_chunk, &job, (int)slots);
        const struct cn_weight *const gate_up[] = { &layer->gate_exps, &layer->up_exps };
        float *const gate_up_y[] = { s->gate, s->up };
        cn_products_run(s, s->products,
                        expert_products(s, gate_up, 2, s->expert_x, hp->n_embd, gate_up_y));
        cn_pool_run(s->pool, s->n_threads, activate_chunk, &job, (int)slots);
    }

    CN_SPAN (s, CN_OP_FFN_DOWN, layer_index, &layer->down_exps) {
        const struct cn_weight *const down[] = { &layer->down_exps };
        float *const down_y[] = { s->expert_y };
        cn_products_run(s, s->products, expert_products(s, down, 1, s->gate, ff, down_y));
        cn_pool_run(s->pool, s->n_threads, combine_chunk, &job, (int)n);
        if (layer->up_shared.format)
            shared_expert(s, layer, n);
    }
}

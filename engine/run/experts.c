/* SPDX-License-Identifier: MIT
 *
 * Mixtures of experts: the router chooses, tokens are grouped by expert, each expert's products run
 * once over its tokens.
 */
#include "engine/run/steps.h"

#include <math.h>
#include <string.h>

/* What the router says of every expert: a probability, or for CN_GATING_SOFTMAX_CHOSEN the logit.
 * Returns the number that it is still to be divided by. */
static float gate(const struct cn_model *m, const float *bias, float *p)
{
    const int64_t n = m->hp.n_expert;
    cn_add(n, bias, p);
    if (m->hp.gating == CN_GATING_SOFTMAX)
        return m->ops.vec.exp_sum(n, m->ops.vec.max(n, p), p);
    for (int64_t e = 0; m->hp.gating == CN_GATING_SIGMOID && e < n; e++)
        p[e] = 1 / (1 + expf(-p[e]));
    return 1;
}

/* Of equal groups of experts only the best may be chosen from; a group is as good as its best two
 * together. */
static void drop_groups(const struct cn_hparams *hp, float *select)
{
    const int64_t size = hp->n_expert / hp->n_expert_groups;
    for (int64_t left = hp->n_expert_groups; left > hp->n_expert_groups_used; left--) {
        int64_t worst = -1;
        float least = 0;
        for (int64_t g = 0; g < hp->n_expert_groups; g++) {
            float first = -INFINITY, second = -INFINITY;
            for (int64_t e = g * size; e < (g + 1) * size; e++)
                if (select[e] > first) {
                    second = first;
                    first = select[e];
                } else if (select[e] > second) {
                    second = select[e];
                }
            const float value = size > 1 ? first + second : first;
            /* One that was dropped has nothing to choose from; of equal ones the last goes. */
            if (first > -INFINITY && (worst < 0 || value <= least)) {
                worst = g;
                least = value;
            }
        }
        for (int64_t e = worst * size; worst >= 0 && e < (worst + 1) * size; e++)
            select[e] = -INFINITY;
    }
}

static bool is_chosen(const int32_t *chosen, int64_t n, int64_t e)
{
    for (int64_t j = 0; j < n; j++)
        if (chosen[j] == e)
            return true;
    return false;
}

/* The k best (ties: the lower number), weights as the model wants. */
static void choose(const struct cn_group *g, const struct cn_layer *layer, float *p, float *select,
                   int32_t *chosen, float *weight)
{
    const struct cn_hparams *hp = &g->model->hp;
    const float sum = gate(g->model, layer->router_b, p);
    float total = 0;
    for (int64_t e = 0; e < hp->n_expert; e++)
        select[e] = layer->select_b ? p[e] / sum + layer->select_b[e] : p[e];
    if (hp->n_expert_groups > 1)
        drop_groups(hp, select);
    for (int64_t j = 0; j < hp->n_expert_used; j++) {
        int64_t best = -1;
        for (int64_t e = 0; e < hp->n_expert; e++)
            if (select[e] > (best < 0 ? -INFINITY : select[best]))
                best = e;
        /* NaN (a damaged file): any expert does, but none twice: buffers hold a batch each. */
        for (int64_t e = 0; best < 0; e++)
            if (!is_chosen(chosen, j, e))
                best = e;
        chosen[j] = (int32_t)best;
        weight[j] = p[best] / sum;
        select[best] = -INFINITY;
    }
    if (hp->gating == CN_GATING_SOFTMAX_CHOSEN) {
        const struct cn_vec *vec = &g->model->ops.vec;
        const float all =
            vec->exp_sum(hp->n_expert_used, vec->max(hp->n_expert_used, weight), weight);
        for (int64_t j = 0; j < hp->n_expert_used; j++)
            weight[j] /= all;
    }
    for (int64_t j = 0; j < hp->n_expert_used; j++)
        total += weight[j];
    for (int64_t j = 0; j < hp->n_expert_used; j++) {
        if (hp->normalise_experts)
            weight[j] /= fmaxf(total, 6.103515625e-5f);
        weight[j] *= hp->expert_scale;
    }
}

struct job {
    struct cn_group *g;
    const struct cn_layer *layer;
    const float *x;
    int64_t n_ff;
};

static void choose_chunk(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_hparams *hp = &g->model->hp;
    (void)thread;
    choose(g, job->layer, g->router + token * hp->n_expert, g->select + token * hp->n_expert,
           g->chosen + token * hp->n_expert_used, g->chosen_weight + token * hp->n_expert_used);
}

/* Slots: the choices of all tokens sorted by expert, in order of tokens within an expert. */
static void group_by_expert(struct cn_group *g, int64_t n)
{
    const struct cn_hparams *hp = &g->model->hp;
    const int64_t used = hp->n_expert_used;
    int32_t *first = g->expert_first;
    memset(first, 0, (size_t)(hp->n_expert + 1) * sizeof *first);
    for (int64_t i = 0; i < n * used; i++)
        first[g->chosen[i] + 1]++;
    for (int64_t e = 0; e < hp->n_expert; e++)
        first[e + 1] += first[e];
    for (int64_t i = 0; i < n * used; i++) {
        int32_t slot = first[g->chosen[i]]++;
        g->slot_token[slot] = (int32_t)(i / used);
        g->slot_choice[slot] = (int32_t)i;
        g->token_slot[i] = slot;
    }
    /* Filling moved each start to the next one's: move back. */
    memmove(first + 1, first, (size_t)hp->n_expert * sizeof *first);
    first[0] = 0;
}

static void gather_chunk(void *context, int slot, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const int64_t d = g->model->hp.n_expert_embd;
    const float *x = job->x + g->slot_token[slot] * d;
    float *to = g->expert_x + slot * d;
    (void)thread;
    if (!g->model->arch->weigh_expert_inputs) {
        memcpy(to, x, (size_t)d * sizeof *to);
        return;
    }
    const float weight = g->chosen_weight[g->slot_choice[slot]];
    for (int64_t i = 0; i < d; i++)
        to[i] = weight * x[i];
}

/* Gate and up of an expert's slot: side by side in two buffers, or one after the other in one; or
 * there is no gate. */
static void activate_slot(void *context, int slot, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_layer *layer = job->layer;
    const int64_t n = job->n_ff, e = g->chosen[g->slot_choice[slot]];
    const bool fused = layer->gate_up_exps.format != NULL;
    const bool gated = fused || layer->gate_exps.format;
    float *y = g->gate + slot * n, *up = g->up + slot * (fused ? 2 * n : n);
    float *gate_in = fused || !gated ? up : y;
    (void)thread;
    if (fused)
        up += n;
    cn_add(n, layer->gate_exps_b ? layer->gate_exps_b + e * n : NULL, gate_in);
    cn_add(n, layer->up_exps_b ? layer->up_exps_b + e * n : NULL, up);
    cn_activate(g->model, n, gate_in, gated ? up : NULL, y);
}

static void activate_shared(void *context, int token, int thread)
{
    const struct job *job = context;
    const int64_t at = token * job->n_ff;
    float *gate = job->g->gate + at, *up = job->g->up + at;
    const bool gated = job->layer->gate_shared.format;
    (void)thread;
    cn_activate(job->g->model, job->n_ff, gated ? gate : up, gated ? up : NULL, gate);
}

/* The chosen experts' outputs, weighted, in the order of choice: to g->t, or to where their own
 * space is. */
static void combine_chunk(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_group *g = job->g;
    const struct cn_hparams *hp = &g->model->hp;
    const int64_t d = hp->n_expert_embd;
    const float *bias = job->layer->down_exps_b;
    float *t = (g->narrow ? g->narrow : g->t) + token * d;
    (void)thread;
    memset(t, 0, (size_t)d * sizeof *t);
    for (int64_t j = 0; j < hp->n_expert_used; j++) {
        int64_t i = token * hp->n_expert_used + j;
        float *y = g->expert_y + g->token_slot[i] * d;
        cn_add(d, bias ? bias + g->chosen[i] * d : NULL, y);
        g->model->ops.vec.axpy(d, g->model->arch->weigh_expert_inputs ? 1 : g->chosen_weight[i], y,
                               t);
    }
}

/* Points each busy expert's input at its slots; returns the number of busy ones' products. */
static int expert_products(struct cn_group *g, const struct cn_weight *const *weights,
                           int n_weights, const float *x, int64_t n_cols, float *const *ys)
{
    int n = 0;
    for (int64_t e = 0; e < g->model->hp.n_expert; e++) {
        int64_t slot = g->expert_first[e], count = g->expert_first[e + 1] - slot;
        if (count == 0)
            continue;
        cn_input_set(&g->inputs[e], x + slot * n_cols, n_cols, count, n_cols);
        for (int w = 0; w < n_weights; w++) {
            const struct cn_weight *all = weights[w], *own = all->each ? &all->each[e] : all;
            g->products[n++] = (struct cn_product){ own, own == all ? e : 0, &g->inputs[e],
                                                    ys[w] + slot * all->rows, all->rows };
        }
    }
    return n;
}

static void shared_expert(struct cn_group *g, const struct cn_layer *layer, const float *x,
                          int64_t n)
{
    const struct cn_hparams *hp = &g->model->hp;
    const struct cn_vec *vec = &g->model->ops.vec;
    struct cn_product up[] = {
        {&layer->up_shared,    0, &g->input, g->up,   hp->n_ff_shared},
        { &layer->gate_shared, 0, &g->input, g->gate, hp->n_ff_shared},
    };
    cn_input_set(&g->input, x, hp->n_embd, n, hp->n_embd);
    cn_products_run(g, up, layer->gate_shared.format ? 2 : 1);
    struct job job = { g, layer, x, hp->n_ff_shared };
    cn_pool_run(g->pool, g->n_threads, activate_shared, &job, (int)n);
    cn_input_set(&g->input, g->gate, hp->n_ff_shared, n, hp->n_ff_shared);
    struct cn_product down = { &layer->down_shared, 0, &g->input, g->expert_y, hp->n_embd };
    cn_products_run(g, &down, 1);
    for (int64_t t = 0; t < n; t++) {
        float share = 1;
        if (layer->shared_router) {
            float gate = vec->dot(hp->n_embd, layer->shared_router, x + t * hp->n_embd);
            share = 1 / (1 + expf(-gate));
        }
        vec->axpy(hp->n_embd, share, g->expert_y + t * hp->n_embd, g->t + t * hp->n_embd);
    }
}

/* A product of n rows of x with a matrix that belongs to no expert. */
static void plain_product(struct cn_group *g, const struct cn_weight *w, const float *x, int64_t n,
                          float *y)
{
    cn_input_set(&g->input, x, w->cols, n, w->cols);
    struct cn_product p = { w, 0, &g->input, y, w->rows };
    cn_products_run(g, &p, 1);
}

void cn_experts(struct cn_group *g, const struct cn_layer *layer, int64_t layer_index,
                const float *router_x, const float *x, int64_t n)
{
    const struct cn_hparams *hp = &g->model->hp;
    const int64_t ff = hp->n_ff_expert, slots = n * hp->n_expert_used;
    const bool fused = layer->gate_up_exps.format != NULL;
    struct job job = { g, layer, x, ff };

    CN_SPAN (g, CN_OP_ROUTER, layer_index, &layer->router) {
        cn_input_set(&g->input, router_x, hp->n_embd, n, hp->n_embd);
        struct cn_product route = { &layer->router, 0, &g->input, g->router, hp->n_expert };
        cn_products_run(g, &route, 1);
        cn_pool_run(g->pool, g->n_threads, choose_chunk, &job, (int)n);
        group_by_expert(g, n);
    }

    CN_SPAN (g, CN_OP_FFN_UP, layer_index, fused ? &layer->gate_up_exps : &layer->up_exps) {
        if (g->narrow) {
            plain_product(g, &layer->experts_down, x, n, g->narrow);
            job.x = g->narrow;
        }
        cn_pool_run(g->pool, g->n_threads, gather_chunk, &job, (int)slots);
        const struct cn_weight *const up_gate[] = { fused ? &layer->gate_up_exps : &layer->up_exps,
                                                    &layer->gate_exps };
        float *const up_gate_y[] = { g->up, g->gate };
        cn_products_run(g, g->products,
                        expert_products(g, up_gate, layer->gate_exps.format ? 2 : 1, g->expert_x,
                                        hp->n_expert_embd, up_gate_y));
        cn_pool_run(g->pool, g->n_threads, activate_slot, &job, (int)slots);
    }

    CN_SPAN (g, CN_OP_FFN_DOWN, layer_index, &layer->down_exps) {
        const struct cn_weight *const down[] = { &layer->down_exps };
        float *const down_y[] = { g->expert_y };
        cn_products_run(g, g->products, expert_products(g, down, 1, g->gate, ff, down_y));
        cn_pool_run(g->pool, g->n_threads, combine_chunk, &job, (int)n);
        if (g->narrow)
            plain_product(g, &layer->experts_up, g->narrow, n, g->t);
        if (layer->up_shared.format)
            shared_expert(g, layer, x, n);
    }
}

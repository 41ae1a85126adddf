/* SPDX-License-Identifier: MIT
 *
 * Choosing the next token. Order: bias, repeat penalty, temperature, top-k, min-p, top-p, draw. No
 * full sort: candidates are cut to those that can matter first.
 */
#include "engine/run/sampler.h"

#include "base/error.h"
#include "base/rng.h"
#include "engine/model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cn_sampler {
    struct cn_sampler_options options;
    const struct cn_model *model;
    struct cn_logit_bias *bias;
    int32_t *recent; /* ring of the last tokens: those looked back at, and some to go back by */
    int64_t n_recent, recent_at;
    float *logits; /* [n_vocab] */
    struct cn_candidate *candidates;
    struct cn_rng rng;
};

static int64_t ring_size(const struct cn_sampler *s)
{
    return (int64_t)s->options.repeat_last_n + CN_SAMPLER_SPARE;
}

enum cn_status cn_sampler_create(const struct cn_model *model,
                                 const struct cn_sampler_options *options,
                                 struct cn_sampler **sampler, struct cn_error *err)
{
    const int64_t n_vocab = cn_model_get_info(model)->n_vocab;
    CN_RETURN_IF(!isfinite(options->temperature) || !isfinite(options->top_p) ||
                     !isfinite(options->min_p) || !isfinite(options->repeat_penalty) ||
                     !(options->repeat_penalty > 0),
                 CN_ERR_ARGUMENT, err, "sampling: finite numbers and a penalty above 0 expected");
    CN_RETURN_IF(options->repeat_last_n < 0 || options->repeat_last_n > 1 << 20, CN_ERR_ARGUMENT,
                 err, "sampling: repeat_last_n of 0 to %d expected, %d given", 1 << 20,
                 options->repeat_last_n);
    for (size_t i = 0; i < options->n_bias; i++)
        CN_RETURN_IF(options->bias[i].token < 0 || options->bias[i].token >= n_vocab,
                     CN_ERR_ARGUMENT, err, "logit bias: token 0 to %lld expected, %d given",
                     (long long)n_vocab - 1, options->bias[i].token);
    struct cn_sampler *s = calloc(1, sizeof *s);
    CN_RETURN_IF(!s, CN_ERR_MEMORY, err, "out of memory");
    s->options = *options;
    s->model = model;
    s->rng.state = options->seed;
    s->bias = malloc((options->n_bias + 1) * sizeof *s->bias);
    s->recent = malloc((size_t)ring_size(s) * sizeof *s->recent);
    s->logits = malloc((size_t)n_vocab * sizeof *s->logits);
    s->candidates = malloc((size_t)n_vocab * sizeof *s->candidates);
    if (!s->bias || !s->recent || !s->logits || !s->candidates) {
        cn_sampler_free(s);
        return cn_fail(err, CN_ERR_MEMORY, "out of memory");
    }
    if (options->n_bias)
        memcpy(s->bias, options->bias, options->n_bias * sizeof *s->bias);
    s->options.bias = s->bias;
    *sampler = s;
    return CN_OK;
}

void cn_sampler_free(struct cn_sampler *s)
{
    if (!s)
        return;
    free(s->bias);
    free(s->recent);
    free(s->logits);
    free(s->candidates);
    free(s);
}

void cn_sampler_accept(struct cn_sampler *s, int32_t token)
{
    if (token < 0 || token >= cn_model_get_info(s->model)->n_vocab)
        return;
    s->recent[s->recent_at] = token;
    s->recent_at = (s->recent_at + 1) % ring_size(s);
    if (s->n_recent < ring_size(s))
        s->n_recent++;
}

void cn_sampler_forget(struct cn_sampler *s, int32_t n)
{
    const int64_t back = n < s->n_recent ? n : s->n_recent;
    s->recent_at = (s->recent_at + ring_size(s) - back) % ring_size(s);
    s->n_recent -= back;
}

static void penalise(struct cn_sampler *s, const float *original, int64_t n_logits)
{
    const int64_t last_n = s->options.repeat_last_n;
    for (int64_t i = 1; i <= s->n_recent && i <= last_n; i++) {
        int32_t t = s->recent[(s->recent_at + ring_size(s) - i) % ring_size(s)];
        if (t >= n_logits)
            continue;
        /* From the original, so that a token seen twice is penalised once. */
        float x = original[t];
        s->logits[t] = x > 0 ? x / s->options.repeat_penalty : x * s->options.repeat_penalty;
    }
}

static void forbid_ends(struct cn_sampler *s, int64_t n_vocab)
{
    for (int32_t t = 0; t < n_vocab; t++)
        if (cn_token_is_end(s->model, t))
            s->logits[t] = -INFINITY;
}

static int32_t argmax(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best] || (isnan(x[best]) && !isnan(x[i])))
            best = i;
    return (int32_t)best;
}

/* Falling logits; equal ones in order of the token, so that the draw is reproducible. */
static int compare(const void *a, const void *b)
{
    const struct cn_candidate *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return x->token < y->token ? -1 : x->token > y->token;
}

/* The logit that the k-th largest of n candidates has (quickselect). */
static float kth_largest(struct cn_candidate *c, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        float pivot = c[lo + (hi - lo) / 2].logit;
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (c[i].logit > pivot)
                i++;
            while (c[j].logit < pivot)
                j--;
            if (i <= j) {
                struct cn_candidate t = c[i];
                c[i++] = c[j];
                c[j--] = t;
            }
        }
        if (k - 1 <= j)
            hi = j;
        else if (k - 1 >= i)
            lo = i;
        else
            break;
    }
    return c[k - 1].logit;
}

/* Logits [n_logits] with what the options change in them, in s->logits [n_vocab]. */
static void set_logits(struct cn_sampler *s, const float *logits, int64_t n_logits, int64_t n_vocab)
{
    const struct cn_sampler_options *o = &s->options;
    memcpy(s->logits, logits, (size_t)n_logits * sizeof *logits);
    for (int64_t t = n_logits; t < n_vocab; t++)
        s->logits[t] = -INFINITY;
    if (o->repeat_penalty != 1)
        penalise(s, logits, n_logits);
    for (size_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].token < n_logits)
            s->logits[o->bias[i].token] += o->bias[i].bias;
    if (o->ignore_eos)
        forbid_ends(s, n_vocab);
}

/* Those of s->logits that can be drawn at all, best first; their number. */
static int64_t cut(struct cn_sampler *s, float top, int64_t n_vocab)
{
    const struct cn_sampler_options *o = &s->options;
    /* What is e^-20 times as likely as the best is left out: together they have less than a
     * millionth of the mass for any vocabulary. */
    float floor_logit = top - 20 * o->temperature;
    if (o->min_p > 0)
        floor_logit = fmaxf(floor_logit, top + o->temperature * logf(fminf(o->min_p, 1)));
    int64_t n = 0;
    for (int32_t t = 0; t < n_vocab; t++)
        if (s->logits[t] >= floor_logit)
            s->candidates[n++] = (struct cn_candidate){ s->logits[t], t, 0 };
    if (o->top_k > 0 && o->top_k < n) {
        float least = kth_largest(s->candidates, n, o->top_k);
        int64_t kept = 0;
        for (int64_t i = 0; i < n; i++)
            if (s->candidates[i].logit >= least)
                s->candidates[kept++] = s->candidates[i];
        n = kept;
    }
    qsort(s->candidates, (size_t)n, sizeof *s->candidates, compare);
    return o->top_k > 0 && o->top_k < n ? o->top_k : n;
}

struct cn_candidates cn_sampler_candidates(struct cn_sampler *s, const float *logits,
                                           int64_t n_logits)
{
    const struct cn_sampler_options *o = &s->options;
    const int64_t n_vocab = cn_model_get_info(s->model)->n_vocab;
    set_logits(s, logits, n_logits < n_vocab ? n_logits : n_vocab, n_vocab);
    const int32_t best = argmax(s->logits, n_vocab);
    const float top = s->logits[best];
    /* Without a finite best there is nothing to draw from: greedy. */
    if (!(o->temperature > 0) || !isfinite(top)) {
        s->candidates[0] = (struct cn_candidate){ top, best, 1 };
        return (struct cn_candidates){ s->candidates, 1, 1 };
    }
    const int64_t n = cut(s, top, n_vocab);
    double sum = 0, kept = 0;
    for (int64_t i = 0; i < n; i++) {
        struct cn_candidate *c = &s->candidates[i];
        c->weight = exp(((double)c->logit - (double)top) / (double)o->temperature);
        sum += c->weight;
    }
    int64_t n_kept = 0;
    while (n_kept < n) {
        kept += s->candidates[n_kept++].weight;
        if (o->top_p < 1 && kept >= (double)o->top_p * sum)
            break;
    }
    return (struct cn_candidates){ s->candidates, n_kept, kept };
}

double cn_sampler_uniform(struct cn_sampler *s)
{
    return cn_rng_uniform(&s->rng);
}

int32_t cn_sampler_draw(struct cn_sampler *s, const struct cn_candidates *c)
{
    double target = cn_sampler_uniform(s) * c->sum, run = 0;
    for (int64_t i = 0; i < c->n; i++) {
        run += c->items[i].weight;
        if (run > target)
            return c->items[i].token;
    }
    return c->items[c->n - 1].token;
}

int32_t cn_sampler_sample(struct cn_sampler *s, const float *logits)
{
    const struct cn_candidates candidates =
        cn_sampler_candidates(s, logits, cn_model_get_info(s->model)->n_vocab);
    const int32_t chosen = cn_sampler_draw(s, &candidates);
    cn_sampler_accept(s, chosen);
    return chosen;
}

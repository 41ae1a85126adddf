/* SPDX-License-Identifier: MIT */
#include "bench/quality/divergence.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

enum {
    TEXT_TOKENS = 512,      /* of one text, from an empty cache */
    UNSCORED = 4,           /* the first one in so many of them: there all are less sure */
    BATCH_LOGITS = 64,      /* positions whose logits are held at a time */
    BASE_BYTES = 256 << 20, /* most memory for the base's distributions */
    NATS_KEPT = 16,         /* tokens less likely than the best by more do not count */
};

/* At 1 the prose models drift further from what people write; see docs/AUTO.md. */
static const float TEMPERATURE = 0.9f;

struct cn_divergence {
    struct cn_divergence_options options;
    int32_t n_vocab, n_texts, n_text; /* texts of n_text tokens */
    int32_t n_unscored;               /* of each, at its beginning */
    int32_t *tokens;                  /* [n_texts, n_text] */
    float *base; /* [n_texts, n_text - n_unscored, n_vocab] log-probabilities */
};

static bool cancelled(const struct cn_divergence *d)
{
    return d->options.cancel && d->options.cancel(d->options.user);
}

static struct cn_session_options options_of(const struct cn_divergence *d, int32_t n_batch,
                                            int32_t n_logits)
{
    return (struct cn_session_options){
        .n_ctx = d->n_text,
        .n_batch = n_batch,
        .n_logits = n_logits,
        .n_threads = d->options.n_threads,
        .callbacks = {.user = d->options.user, .cancel = d->options.cancel},
    };
}

static enum cn_status open_session(const struct cn_divergence *d, const struct cn_model *model,
                                   struct cn_session **session, struct cn_error *err)
{
    const struct cn_session_options o = options_of(d, d->n_text, BATCH_LOGITS);
    return cn_session_create(model, &o, session, err);
}

/* Texts that are written together: each pass gives all of them one token more. */
struct lanes {
    struct cn_group *group;
    struct cn_session *session[CN_MAX_LANES]; /* [n] */
    int32_t n;
};

static enum cn_status write_together(const struct cn_divergence *d, const struct lanes *lanes,
                                     int32_t first, struct cn_sampler *sampler,
                                     struct cn_error *err)
{
    struct cn_step steps[CN_MAX_LANES];
    for (int32_t i = 1; i < d->n_text; i++) {
        CN_RETURN_IF(cancelled(d), CN_ERR_CANCELLED, err, "cancelled");
        for (int32_t t = 0; t < lanes->n; t++)
            steps[t] = (struct cn_step){ lanes->session[t],
                                         d->tokens + (int64_t)(first + t) * d->n_text + i - 1, 1,
                                         CN_WANT_LAST };
        CN_TRY(cn_group_eval(lanes->group, steps, (size_t)lanes->n, err));
        for (int32_t t = 0; t < lanes->n; t++)
            d->tokens[(int64_t)(first + t) * d->n_text + i] =
                cn_sampler_sample(sampler, cn_session_logits(lanes->session[t], 0));
        if (d->options.progress)
            d->options.progress(d->options.user, first * d->n_text + i * lanes->n,
                                d->n_texts * d->n_text);
    }
    return CN_OK;
}

static enum cn_status write_lanes(const struct cn_divergence *d, const struct cn_model *model,
                                  int32_t first, struct lanes *lanes, struct cn_sampler *sampler,
                                  struct cn_error *err)
{
    const int32_t bos = cn_model_get_info(model)->bos;
    const struct cn_session_options o = options_of(d, CN_MAX_LANES, 1);
    enum cn_status status = cn_group_create(model, &o, lanes->n, &lanes->group, err);
    for (int32_t t = 0; t < lanes->n && status == CN_OK; t++) {
        d->tokens[(int64_t)(first + t) * d->n_text] = bos < 0 ? 0 : bos;
        status = cn_group_join(lanes->group, &lanes->session[t], err);
    }
    if (status == CN_OK)
        status = write_together(d, lanes, first, sampler, err);
    for (int32_t t = 0; t < lanes->n; t++)
        cn_session_free(lanes->session[t]);
    cn_group_free(lanes->group);
    return status;
}

static enum cn_status write_texts(const struct cn_divergence *d, const struct cn_model *model,
                                  struct cn_sampler *sampler, struct cn_error *err)
{
    for (int32_t first = 0; first < d->n_texts; first += CN_MAX_LANES) {
        const int32_t left = d->n_texts - first;
        struct lanes lanes = { .n = left < CN_MAX_LANES ? left : CN_MAX_LANES };
        CN_TRY(write_lanes(d, model, first, &lanes, sampler, err));
    }
    return CN_OK;
}

/* log(sum exp x). */
static double log_sum_exp(const float *x, int32_t n)
{
    float max = x[0];
    double sum = 0;
    for (int32_t i = 1; i < n; i++)
        max = fmaxf(max, x[i]);
    for (int32_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - max);
    return log(sum) + (double)max;
}

/* sum p (log p - log q), log p = base, log q = logits - their log_sum_exp. Tokens that hardly ever
 * come are left out, so that -infinity among the logits does no harm. */
static double divergence_at(const float *base, const float *logits, int32_t n)
{
    double lse = log_sum_exp(logits, n), sum = 0;
    for (int32_t i = 0; i < n; i++)
        if (base[i] > -NATS_KEPT)
            sum += (double)expf(base[i]) * ((double)base[i] - ((double)logits[i] - lse));
    return sum;
}

/* Passes over texts; of the base its distributions are kept, of another the divergences' sum is
 * taken. */
static enum cn_status pass(const struct cn_divergence *d, struct cn_session *session, bool base,
                           int32_t n_texts, double *sum, struct cn_error *err)
{
    *sum = 0;
    for (int32_t t = 0; t < n_texts; t++) {
        const int32_t *text = d->tokens + (int64_t)t * d->n_text;
        float *base_of_text = d->base + (int64_t)t * (d->n_text - d->n_unscored) * d->n_vocab;
        CN_TRY(cn_session_rewind(session, 0, err));
        CN_TRY(cn_session_eval(session, text, d->n_unscored, CN_WANT_NONE, err));
        for (int32_t at = d->n_unscored; at < d->n_text; at += BATCH_LOGITS) {
            int32_t n = d->n_text - at < BATCH_LOGITS ? d->n_text - at : BATCH_LOGITS;
            CN_TRY(cn_session_eval(session, text + at, n, CN_WANT_ALL, err));
            for (int32_t i = 0; i < n; i++) {
                const float *logits = cn_session_logits(session, i);
                float *kept = base_of_text + (int64_t)(at - d->n_unscored + i) * d->n_vocab;
                if (!base) {
                    *sum += divergence_at(kept, logits, d->n_vocab);
                    continue;
                }
                double lse = log_sum_exp(logits, d->n_vocab);
                *sum += lse;
                for (int32_t v = 0; v < d->n_vocab; v++)
                    kept[v] = (float)((double)logits[v] - lse);
            }
        }
    }
    CN_RETURN_IF(!isfinite(*sum), CN_ERR_FORMAT, err, "the model's logits are not finite");
    return CN_OK;
}

/* Pieces from all over the text that was given. */
static enum cn_status take_texts(const struct cn_divergence *d, struct cn_error *err)
{
    const struct cn_divergence_options *o = &d->options;
    const size_t stretch = o->n_given / (size_t)d->n_text / (size_t)d->n_texts * (size_t)d->n_text;
    for (size_t i = 0; i < (size_t)d->n_texts * (size_t)d->n_text; i++) {
        const size_t text = i / (size_t)d->n_text, at = i % (size_t)d->n_text;
        d->tokens[i] = o->given[text * stretch + at];
        CN_RETURN_IF(d->tokens[i] < 0 || d->tokens[i] >= d->n_vocab, CN_ERR_FORMAT, err,
                     "the text to measure on has the token %d, the model's vocabulary %d tokens",
                     d->tokens[i], d->n_vocab);
    }
    return CN_OK;
}

static enum cn_status prepare(struct cn_divergence *d, const struct cn_model *model,
                              struct cn_error *err)
{
    struct cn_sampler_options sampling = {
        .temperature = TEMPERATURE, .top_p = 1, .repeat_penalty = 1, .seed = 1, .ignore_eos = true
    };
    struct cn_session *session = NULL;
    struct cn_sampler *sampler = NULL;
    double sum;
    enum cn_status status = cn_sampler_create(model, &sampling, &sampler, err);
    if (status == CN_OK)
        status = d->options.given ? take_texts(d, err) : write_texts(d, model, sampler, err);
    if (status == CN_OK)
        status = open_session(d, model, &session, err);
    if (status == CN_OK)
        status = pass(d, session, true, d->n_texts, &sum, err);
    cn_sampler_free(sampler);
    cn_session_free(session);
    return status;
}

enum cn_status cn_divergence_create(const struct cn_model *base,
                                    const struct cn_divergence_options *options,
                                    struct cn_divergence **divergence, struct cn_error *err)
{
    const struct cn_model_info *info = cn_model_get_info(base);
    CN_RETURN_IF(options->n_tokens < 8, CN_ERR_ARGUMENT, err,
                 "text: 8 or more tokens expected, %d given", options->n_tokens);
    CN_RETURN_IF(options->given && options->n_given < 8, CN_ERR_ARGUMENT, err,
                 "text: 8 or more tokens expected, %zu given", options->n_given);
    struct cn_divergence *d = calloc(1, sizeof *d);
    CN_RETURN_IF(!d, CN_ERR_MEMORY, err, "out of memory");
    d->options = *options;
    d->n_vocab = info->n_vocab;
    int64_t most = BASE_BYTES / ((int64_t)sizeof *d->base * info->n_vocab);
    int64_t n = options->n_tokens < most ? options->n_tokens : most < 8 ? 8 : most;
    if (options->given && (int64_t)options->n_given < n)
        n = (int64_t)options->n_given;
    d->n_text = (int32_t)(n < TEXT_TOKENS ? n : TEXT_TOKENS);
    if (info->n_ctx_train > 0 && info->n_ctx_train < d->n_text)
        d->n_text = info->n_ctx_train;
    d->n_texts = (int32_t)(n / d->n_text);
    d->n_unscored = d->n_text / UNSCORED;
    const size_t positions = (size_t)d->n_texts * (size_t)(d->n_text - d->n_unscored);
    d->tokens = malloc((size_t)d->n_texts * (size_t)d->n_text * sizeof *d->tokens);
    d->base = malloc(positions * (size_t)d->n_vocab * sizeof *d->base);
    enum cn_status status =
        d->tokens && d->base ? prepare(d, base, err) : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    if (status != CN_OK) {
        cn_divergence_free(d);
        return status;
    }
    *divergence = d;
    return CN_OK;
}

void cn_divergence_free(struct cn_divergence *d)
{
    if (!d)
        return;
    free(d->tokens);
    free(d->base);
    free(d);
}

enum cn_status cn_divergence_measure(const struct cn_divergence *d, const struct cn_model *model,
                                     int32_t n_tokens, double *kld, struct cn_error *err)
{
    const int32_t wanted = n_tokens / d->n_text;
    const int32_t n_texts = wanted < 1 ? 1 : wanted < d->n_texts ? wanted : d->n_texts;
    struct cn_session *session = NULL;
    double sum;
    CN_RETURN_IF(cn_model_get_info(model)->n_vocab != d->n_vocab, CN_ERR_ARGUMENT, err,
                 "the base model has %d tokens, this one %d", d->n_vocab,
                 cn_model_get_info(model)->n_vocab);
    CN_TRY(open_session(d, model, &session, err));
    enum cn_status status = pass(d, session, false, n_texts, &sum, err);
    cn_session_free(session);
    if (status == CN_OK)
        *kld = sum / ((double)n_texts * (d->n_text - d->n_unscored));
    return status;
}

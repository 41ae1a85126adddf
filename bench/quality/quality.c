/* SPDX-License-Identifier: MIT */
#include "bench/quality/quality.h"

#include "base/error.h"
#include "base/temporary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cn_quality {
    FILE *base;
    int32_t n_vocab;
    int32_t tokens[CN_QUALITY_CTX * CN_QUALITY_CHUNKS];
};

static enum cn_status write_text(const struct cn_model *model, int32_t n_threads, int32_t *tokens,
                                 struct cn_error *err)
{
    struct cn_session_options options = { .n_ctx = CN_QUALITY_CTX, .n_threads = n_threads };
    struct cn_sampler_options sampling = {
        .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 1, .ignore_eos = true
    };
    struct cn_session *session = NULL;
    struct cn_sampler *sampler = NULL;
    int32_t start = cn_model_get_info(model)->bos;
    enum cn_status status = cn_session_create(model, &options, &session, err);
    if (status == CN_OK)
        status = cn_sampler_create(model, &sampling, &sampler, err);
    for (int c = 0; c < CN_QUALITY_CHUNKS && status == CN_OK; c++) {
        int32_t *text = tokens + c * CN_QUALITY_CTX;
        text[0] = start < 0 ? 0 : start;
        status = cn_session_rewind(session, 0, err);
        for (int i = 1; i < CN_QUALITY_CTX && status == CN_OK; i++) {
            status = cn_session_eval(session, text + i - 1, 1, CN_WANT_LAST, err);
            if (status == CN_OK)
                text[i] = cn_sampler_sample(sampler, cn_session_logits(session, 0));
        }
    }
    cn_sampler_free(sampler);
    cn_session_free(session);
    return status;
}

enum cn_status cn_quality_create(const struct cn_model *base, int32_t n_threads,
                                 struct cn_quality **quality, struct cn_error *err)
{
    struct cn_quality *q = calloc(1, sizeof *q);
    CN_RETURN_IF(!q, CN_ERR_MEMORY, err, "out of memory");
    q->n_vocab = cn_model_get_info(base)->n_vocab;
    enum cn_status status = cn_temporary_file(&q->base, err);
    if (status == CN_OK)
        status = write_text(base, n_threads, q->tokens, err);
    if (status == CN_OK) {
        struct cn_perplexity unused;
        struct cn_perplexity_options o = { .n_ctx = CN_QUALITY_CTX,
                                           .n_threads = n_threads,
                                           .save_base = q->base };
        status = cn_perplexity_run(base, q->tokens, CN_QUALITY_CTX * CN_QUALITY_CHUNKS, &o, &unused,
                                   err);
        if (status == CN_OK && fflush(q->base) != 0)
            status = cn_fail(err, CN_ERR_IO, "temporary file: %s", strerror(errno));
    }
    if (status != CN_OK) {
        cn_quality_free(q);
        return status;
    }
    *quality = q;
    return CN_OK;
}

void cn_quality_free(struct cn_quality *q)
{
    if (!q)
        return;
    if (q->base)
        fclose(q->base);
    free(q);
}

enum cn_status cn_quality_measure(struct cn_quality *q, const struct cn_model *model,
                                  int32_t n_threads, struct cn_perplexity *result,
                                  struct cn_error *err)
{
    CN_RETURN_IF(cn_model_get_info(model)->n_vocab != q->n_vocab, CN_ERR_ARGUMENT, err,
                 "the base model has %d tokens, this one %d", q->n_vocab,
                 cn_model_get_info(model)->n_vocab);
    rewind(q->base);
    struct cn_perplexity_options o = {
        .n_ctx = CN_QUALITY_CTX, .n_threads = n_threads, .base = q->base, .base_name = "base"
    };
    return cn_perplexity_run(model, q->tokens, CN_QUALITY_CTX * CN_QUALITY_CHUNKS, &o, result, err);
}

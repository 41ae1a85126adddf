/* SPDX-License-Identifier: MIT
 *
 * Several continuations of one prompt, which is evaluated once; their tokens go through the model
 * together.
 */
#ifndef CN_CONTINUATIONS_H
#define CN_CONTINUATIONS_H

#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_continuations_options {
    int32_t n;                         /* 1 to CN_MAX_LANES */
    int32_t n_predict;                 /* of each; < 0: until the model or the context ends */
    bool ignore_end;                   /* go on behind tokens that end a generation */
    const struct cn_chat *chat;        /* its template may name one more end; NULL: none */
    struct cn_sampler_options sampler; /* of the first; the others have the next seeds */
    const struct cn_session_options *session;
    struct cn_profiler *profiler; /* started; NULL: none */
};

struct cn_continuation {
    int32_t *tokens; /* [n] what was generated */
    int32_t n;
    bool ended; /* by a token that ends a generation, which is not among them */
};

struct cn_continuations {
    struct cn_continuation each[CN_MAX_LANES];
    int32_t n; /* of them */
    int32_t n_ctx;
    bool context_full;              /* which ended one of them */
    int64_t n_generated, n_decoded; /* tokens of all; those that were evaluated too */
    int64_t n_passes;               /* that evaluated these together */
    struct cn_work decoded;         /* bytes of them: all, of the KV caches, of the states */
    size_t kv_bytes;                /* of all sessions together */
    double prefill_s, decode_s, sample_s;
    double ttft_s; /* from the start of the prefill to the first token of all */
};

/* Phases are those of a generation: prefill, sample, decode. After a failure the samples hold what
 * there was, and are freed with cn_continuations_free too. CN_ERR_CANCELLED if the session's cancel
 * callback said so. */
enum cn_status cn_continuations_make(const struct cn_model *model, const int32_t *prompt,
                                     int32_t n_prompt,
                                     const struct cn_continuations_options *options,
                                     struct cn_continuations *samples, struct cn_error *err);
void cn_continuations_free(struct cn_continuations *samples);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Generating text under the profiler's eyes: prefill, then decode and sample token by token.
 */
#ifndef CN_GENERATE_H
#define CN_GENERATE_H

#include "bench/model/thinking.h"
#include "engine/carnot.h"
#include "profiler/profiler.h"

struct cn_generate_options {
    int32_t n_predict; /* most tokens to generate; < 0: until the model ends or the context does */
    bool ignore_end;   /* go on behind tokens that end a generation (they are not printed) */
    const struct cn_chat *chat;   /* its template may name one more end; NULL: none */
    struct cn_thinking *thinking; /* begun; is told of each token; NULL: nobody */
    struct cn_profiler *profiler; /* started; NULL: none */
    /* Of the session and the sampler, with phases of its own (speculation.h); NULL: one token for
     * each pass. */
    struct cn_speculator *speculator;
    /* Called with each new token and the text that can be shown now: whole characters, n may be 0.
     * token -1: the rest at the end. True stops. May be NULL. */
    bool (*token)(void *user, int32_t token, const char *text, size_t n);
    void *user;
};

struct cn_generation {
    int32_t n_prompt, n_generated;
    int32_t n_kept;      /* of n_prompt: what the session held already, and was not evaluated */
    int32_t n_reasoning; /* of n_generated: what was thought before the answer, with its marks */
    size_t phases_from, reasoning_to, phases_to; /* of the profiler: the decode phases of this
                                                  * answer, and where those of thinking end */
    bool ended; /* by a token that ends a generation, rather than by a limit or `token` */
    bool context_full;
    double prefill_s, decode_s, sample_s; /* decode: evaluating the generated tokens; with a
                                           * speculator drafting and choosing them, too */
    struct cn_speculation speculation;    /* of this generation; zeros without a speculator */
    struct cn_work decoded;               /* what evaluating the generated tokens took */
    double ttft_s; /* from the start of the prefill to the first token chosen */
};

/* Lets the session hold prompt[n] (cn_session_prompt), then generates. The last token chosen is not
 * evaluated. CN_ERR_CANCELLED if the session's cancel callback said so. */
enum cn_status cn_generate(struct cn_session *session, const struct cn_model *model,
                           struct cn_sampler *sampler, const int32_t *prompt, int32_t n_prompt,
                           const struct cn_generate_options *options, struct cn_generation *result,
                           struct cn_error *err);

/* Most memory this process has had resident, bytes; 0 if unknown. */
int64_t cn_peak_rss(void);

#endif

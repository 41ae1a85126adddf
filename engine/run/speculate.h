/* SPDX-License-Identifier: MIT
 *
 * Inside of a speculator.
 */
#ifndef CN_SPECULATE_H
#define CN_SPECULATE_H

#include "engine/run/draft_length.h"
#include "engine/run/sampler.h"
#include "engine/run/session.h"

/* A draft under way. */
struct cn_draft {
    int kind;        /* as for cn_draft_length */
    int32_t n;       /* tokens */
    int32_t n_found; /* of a look-up: there are so many tokens, of which n are wanted */
    int32_t tokens[CN_SPECULATE_MOST];
    double q[CN_SPECULATE_MOST];  /* how likely the draft found each */
    bool sure[CN_SPECULATE_MOST]; /* nothing else could have been drafted: q is 1, and there are no
                                   * logits */
};

struct cn_speculator {
    struct cn_session *session;
    struct cn_sampler *sampler;
    struct cn_speculator_options options;
    int32_t n_draft, n_vocab;
    int32_t
        *text; /* [n_ctx + CN_SPECULATE_MOST + 1]: the session's tokens and those chosen since */
    int32_t n_text, n_last; /* n_last: what the last cn_speculator_next gave */
    bool fresh;             /* the session has the logits of the prompt's last token */
    struct cn_draft_length length;
    struct cn_draft draft;
    struct cn_speculation told;
    /* of a draft model, or of a NextN block */
    int32_t n_common;      /* ids that both models have */
    int32_t *draft_text;   /* the text as the draft reads it; NULL: as it is */
    int32_t n_draft_holds; /* tokens of it that the draft's session has evaluated, or that the block
                            * has read, with what passes left before each */
    float *draft_logits;   /* [n_draft, n_common] */
    double *q;             /* [n_vocab], all 0 between uses */
    /* For tests. force: whether draft token i is to be kept, whatever the model says of it; NULL:
     * as the rule says. n_forced: drafts are as long as they can be up to this; 0: as pays. */
    bool (*force)(void *user, int32_t i);
    void *force_user;
    int32_t n_forced;
};

/* draft.c: makes sp->draft of at most n_most tokens, n_most >= 0. */
enum cn_status cn_draft_make(struct cn_speculator *sp, int32_t n_most, struct cn_error *err);
/* Tells the caller of a phase. */
static inline void cn_speculator_phase(const struct cn_speculator *sp,
                                       enum cn_speculate_phase phase, bool begin)
{
    if (sp->options.phase)
        sp->options.phase(sp->options.user, phase, begin);
}
/* What has been spent, by the options. */
double cn_speculator_cost(const struct cn_speculator *sp);

#endif

/* SPDX-License-Identifier: MIT
 *
 * How likely tokens were, and which others would have been likelier.
 */
#ifndef CN_TOKEN_NOTES_H
#define CN_TOKEN_NOTES_H

#include "engine/carnot.h"

struct cn_likely {
    int32_t token;
    double log_prob; /* natural; NaN: nothing came before it */
};

struct cn_token_notes {       /* {0} with n_top set: empty */
    struct cn_likely *tokens; /* [n] */
    struct cn_likely *top;    /* [n * n_top] the likeliest first; token -1: none */
    size_t n, capacity;
    int32_t n_top;
    bool failed; /* memory ran out */
};

/* Notes a token that logits [n_vocab] led to; logits NULL: it was the first. */
void cn_token_notes_add(struct cn_token_notes *notes, const struct cn_model *model,
                        const float *logits, int32_t token);
void cn_token_notes_free(struct cn_token_notes *notes);

#endif

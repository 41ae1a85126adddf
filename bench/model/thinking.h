/* SPDX-License-Identifier: MIT
 *
 * What a model thinks before it answers, told from the answer by the marks of its chat template.
 */
#ifndef CN_THINKING_H
#define CN_THINKING_H

#include "engine/carnot.h"

struct cn_thinking {
    /* Called with the text as it comes, without the marks; reasoning: it is thought, not answer. */
    void (*put)(void *user, bool reasoning, const char *text, size_t n);
    void *user;
    struct cn_chat_thinking marks; /* open NULL: all is answer */
    int32_t n_tokens;              /* so far, of thinking, with its marks */
    enum {
        CN_THINK_BEFORE, /* the answer may begin with the opening mark */
        CN_THINK_INSIDE,
        CN_THINK_BEHIND, /* blank lines between thinking and answer */
        CN_THINK_AFTER
    } where;
    char held[64]; /* may be the start of a mark */
    size_t n_held;
};

/* Makes ready for an answer to prompt[n], which may end within the thinking; put and user are set
 * by the caller. */
void cn_thinking_begin(struct cn_thinking *thinking, const struct cn_chat *chat,
                       const struct cn_model *model, const int32_t *prompt, size_t n);
/* The next token of the answer. */
void cn_thinking_token(struct cn_thinking *thinking, const struct cn_model *model, int32_t token);
/* No more tokens: what was held is put. */
void cn_thinking_end(struct cn_thinking *thinking);

#endif

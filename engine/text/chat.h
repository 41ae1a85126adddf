/* SPDX-License-Identifier: MIT
 *
 * Conversations as text. A model's file holds its chat template as a Jinja program; it is not run.
 * Its family is recognised by the marks it writes, and each family is a row of strings here.
 */
#ifndef CN_CHAT_H
#define CN_CHAT_H

#include "engine/text/tokenizer.h"

struct cn_chat_template; /* a family */

/* A family and what a particular model's template adds to it. */
struct cn_chat_style {
    const struct cn_chat_template *family;
    struct cn_str default_system; /* system text where a conversation has none; n == 0: nothing */
    struct cn_str eos;            /* what the template calls eos_token */
};

/* A rendered conversation; the spans say what the template wrote (markup) and what came from
 * messages. */
struct cn_chat_text {
    char *text; /* [n], a NUL behind */
    size_t n;
    struct cn_text_span *spans; /* [n_spans] */
    size_t n_spans;
};

/* False if there is no family of this name. */
bool cn_chat_style_named(const char *name, struct cn_chat_style *style);
/* False if the Jinja text is of no known family. The style borrows from it. */
bool cn_chat_style_detect(struct cn_str jinja, struct cn_chat_style *style);
/* The style called `name`, or if that is NULL the one of the tokenizer's file (tokenizer may be
 * NULL otherwise). CN_ERR_ARGUMENT for an unknown name, CN_ERR_UNSUPPORTED without a known
 * template. */
enum cn_status cn_chat_style_choose(const struct cn_tokenizer *tokenizer, const char *name,
                                    struct cn_chat_style *style, struct cn_error *err);
const char *cn_chat_style_name(const struct cn_chat_style *style);

/* The caller frees the result with cn_chat_text_free, which takes all zeros too. */
enum cn_status cn_chat_render(const struct cn_chat_style *style,
                              const struct cn_chat_message *messages, size_t n_messages,
                              bool generation_prompt, struct cn_chat_text *out,
                              struct cn_error *err);
void cn_chat_text_free(struct cn_chat_text *text);

#endif

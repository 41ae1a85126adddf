/* SPDX-License-Identifier: MIT
 *
 * Conversations as text by one of the built-in families, for files that hold no template of their
 * own: each family is a row of strings. A file's own template is a program, see engine/jinja/.
 */
#ifndef CN_CHAT_H
#define CN_CHAT_H

#include "base/str.h"
#include "engine/carnot.h"
#include "engine/text/text_span.h"

struct cn_chat_family;

/* A rendered conversation; the spans say what the template wrote (markup) and what came from
 * messages. */
struct cn_chat_text {
    char *text; /* [n], a NUL behind */
    size_t n;
    struct cn_text_span *spans; /* [n_spans] */
    size_t n_spans;
};

/* NULL if there is no family of this name. */
const struct cn_chat_family *cn_chat_family_named(const char *name);
/* All names, ", " between them, in out; returns out. */
const char *cn_chat_family_names(char *out, size_t n_out);

/* eos: what stands for the end of a text; n == 0: the family's own. The caller frees the result
 * with cn_chat_text_free, which takes all zeros too. CN_ERR_ARGUMENT for a message that the family
 * has no form for. */
enum cn_status cn_chat_render(const struct cn_chat_family *family, struct cn_str eos,
                              const struct cn_chat_message *messages, size_t n_messages,
                              bool generation_prompt, struct cn_chat_text *out,
                              struct cn_error *err);
void cn_chat_text_free(struct cn_chat_text *text);

#endif

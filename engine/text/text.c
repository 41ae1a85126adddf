/* SPDX-License-Identifier: MIT
 *
 * The public functions on whole texts and chats of a model: thin, over tokenizer.h and chat.h.
 */
#include "base/error.h"
#include "engine/model/model.h"
#include "engine/text/chat.h"

#include <stdlib.h>

enum cn_status cn_detokenize(const struct cn_model *model, const int32_t *tokens, size_t n,
                             bool special, char **text, size_t *n_bytes, struct cn_error *err)
{
    return cn_tokenizer_decode(model->tokenizer, tokens, n, special, text, n_bytes, err);
}

const char *cn_chat_template_of(const struct cn_model *model)
{
    struct cn_chat_style style;
    struct cn_str jinja = cn_tokenizer_chat_template(model->tokenizer);
    return cn_chat_style_detect(jinja, &style) ? cn_chat_style_name(&style) : NULL;
}

enum cn_status cn_chat_format(const struct cn_model *model, const char *template_name,
                              const struct cn_chat_message *messages, size_t n_messages,
                              bool generation_prompt, char **text, size_t *n_bytes,
                              struct cn_error *err)
{
    struct cn_chat_style style;
    struct cn_chat_text out;
    CN_TRY(cn_chat_style_choose(model ? model->tokenizer : NULL, template_name, &style, err));
    CN_TRY(cn_chat_render(&style, messages, n_messages, generation_prompt, &out, err));
    *text = out.text;
    *n_bytes = out.n;
    free(out.spans);
    return CN_OK;
}

enum cn_status cn_chat_tokenize(const struct cn_model *model, const char *template_name,
                                const struct cn_chat_message *messages, size_t n_messages,
                                bool generation_prompt, int32_t **tokens, size_t *n_tokens,
                                struct cn_error *err)
{
    const struct cn_tokenizer *tokenizer = model->tokenizer;
    struct cn_chat_style style;
    struct cn_chat_text out;
    CN_TRY(cn_chat_style_choose(tokenizer, template_name, &style, err));
    CN_TRY(cn_chat_render(&style, messages, n_messages, generation_prompt, &out, err));
    enum cn_status status = cn_tokenizer_encode_spans(tokenizer, out.text, out.spans, out.n_spans,
                                                      CN_TOKENIZE_BOS, tokens, n_tokens, err);
    cn_chat_text_free(&out);
    return status;
}

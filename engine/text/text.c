/* SPDX-License-Identifier: MIT
 *
 * The public functions on whole texts of a model, and chats with nothing but a template's name.
 */
#include "engine/model/model.h"

#include "base/error.h"

enum cn_status cn_detokenize(const struct cn_model *model, const int32_t *tokens, size_t n,
                             bool special, char **text, size_t *n_bytes, struct cn_error *err)
{
    return cn_tokenizer_decode(model->tokenizer, tokens, n, special, text, n_bytes, err);
}

enum cn_status cn_chat_format(const struct cn_model *model, const char *template_name,
                              const struct cn_chat_message *messages, size_t n_messages,
                              bool generation_prompt, char **text, size_t *n_bytes,
                              struct cn_error *err)
{
    const struct cn_chat_options options = { .template_name = template_name };
    struct cn_chat *chat;
    CN_TRY(cn_chat_create(model, &options, &chat, err));
    enum cn_status status =
        cn_chat_text(chat, messages, n_messages, generation_prompt, text, n_bytes, err);
    cn_chat_free(chat);
    return status;
}

enum cn_status cn_chat_tokenize(const struct cn_model *model, const char *template_name,
                                const struct cn_chat_message *messages, size_t n_messages,
                                bool generation_prompt, int32_t **tokens, size_t *n_tokens,
                                struct cn_error *err)
{
    const struct cn_chat_options options = { .template_name = template_name };
    struct cn_chat *chat;
    CN_TRY(cn_chat_create(model, &options, &chat, err));
    enum cn_status status =
        cn_chat_tokens(chat, messages, n_messages, generation_prompt, tokens, n_tokens, err);
    cn_chat_free(chat);
    return status;
}

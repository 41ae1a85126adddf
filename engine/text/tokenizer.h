/* SPDX-License-Identifier: MIT
 *
 * Text to token ids and back, from the vocabulary in a GGUF file. Read-only once loaded.
 */
#ifndef CN_TOKENIZER_H
#define CN_TOKENIZER_H

#include "engine/gguf/gguf.h"
#include "engine/text/text_span.h"

struct cn_tokenizer;

/* The tokenizer borrows the strings of `gguf`, which must outlive it. The caller frees it. */
enum cn_status cn_tokenizer_load(const struct cn_gguf *gguf, struct cn_tokenizer **tokenizer,
                                 struct cn_error *err);
void cn_tokenizer_free(struct cn_tokenizer *tokenizer);

int32_t cn_tokenizer_n_vocab(const struct cn_tokenizer *tokenizer);
int32_t cn_tokenizer_bos(const struct cn_tokenizer *tokenizer); /* -1: none */
int32_t cn_tokenizer_eos(const struct cn_tokenizer *tokenizer); /* -1: none */
/* What the file leaves open, so that texts may come out otherwise than the model was trained on:
 * one line, static; NULL: nothing. */
const char *cn_tokenizer_doubt(const struct cn_tokenizer *tokenizer);
bool cn_tokenizer_add_bos(const struct cn_tokenizer *tokenizer);
bool cn_tokenizer_add_space_prefix(const struct cn_tokenizer *tokenizer);
bool cn_tokenizer_is_end(const struct cn_tokenizer *tokenizer, int32_t token);
bool cn_tokenizer_is_control(const struct cn_tokenizer *tokenizer, int32_t token);
/* The id of the token with exactly this text (as written in the vocabulary), or -1. */
int32_t cn_tokenizer_find(const struct cn_tokenizer *tokenizer, const char *text, size_t n);

/* As cn_tokenize() and cn_token_bytes() of carnot.h. */
enum cn_status cn_tokenizer_encode(const struct cn_tokenizer *tokenizer, const char *text, size_t n,
                                   unsigned flags, int32_t **tokens, size_t *n_tokens,
                                   struct cn_error *err);
const char *cn_tokenizer_bytes(const struct cn_tokenizer *tokenizer, int32_t token, bool special,
                               size_t *n_bytes);

/* A text in parts of which only the markup may hold control tokens. flags: as cn_tokenize, less
 * CN_TOKENIZE_SPECIAL. */
enum cn_status cn_tokenizer_encode_spans(const struct cn_tokenizer *tokenizer, const char *text,
                                         const struct cn_text_span *spans, size_t n_spans,
                                         unsigned flags, int32_t **tokens, size_t *n_tokens,
                                         struct cn_error *err);

/* As cn_detokenize() of carnot.h. */
enum cn_status cn_tokenizer_decode(const struct cn_tokenizer *tokenizer, const int32_t *tokens,
                                   size_t n, bool special, char **text, size_t *n_bytes,
                                   struct cn_error *err);

/* tokenizer.chat_template of the file, a Jinja text; empty if it has none. */
struct cn_str cn_tokenizer_chat_template(const struct cn_tokenizer *tokenizer);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Token ids given on the command line, and session options that several commands share.
 */
#ifndef CN_TOKENS_H
#define CN_TOKENS_H

#include "engine/carnot.h"

/* Ids separated by blanks or commas, perhaps none, in text[0..n_bytes), behind which stands a NUL
 * or a newline. `where` starts the message of an error. *tokens is malloc'ed. False after a
 * message. */
bool cn_ids_parse(const char *text, size_t n_bytes, const char *where, int32_t **tokens, size_t *n);

/* "@FILE" or "1,2,3": ids separated by blanks or commas, at least one. *tokens is malloc'ed;
 * untouched where there are none. Returns -1, or the exit code after a message: wrong use where the
 * argument holds no ids but something else. */
int cn_tokens_parse(const char *text, int32_t **tokens, size_t *n);

/* "f32", "f16", "q8_0"; false after a message. */
bool cn_kv_parse(const char *text, enum cn_kv_type *kv);

/* "exact" or "fast"; false after a message. */
bool cn_precision_parse(const char *text, bool *fast);

#endif

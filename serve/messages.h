/* SPDX-License-Identifier: MIT
 *
 * The messages of a chat, as clients send them and as templates want them.
 */
#ifndef CN_MESSAGES_H
#define CN_MESSAGES_H

#include "base/json.h"
#include "serve/refusal.h"

/* The list `messages`, which is written in body, as JSON text *out[*n]: the role "developer" is
 * "system", and the arguments of tool calls are objects instead of strings that hold them. The
 * caller frees *out. False with a refusal for parts of a content that are no text, and what is no
 * message. */
bool cn_messages_take(const char *body, const struct cn_json_value *messages, char **out, size_t *n,
                      struct cn_refusal *refusal);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What a model says, token by token, sorted into thinking, answer and calls of tools; whole
 * characters only, and nothing of a string that stops it.
 */
#ifndef CN_SPEECH_H
#define CN_SPEECH_H

#include "bench/model/thinking.h"
#include "serve/json_text.h"
#include "serve/request.h"
#include "serve/tool_marks.h"

struct cn_speech {
    const struct cn_model *model;
    const struct cn_request *request;  /* its stops */
    const struct cn_tool_marks *marks; /* NULL: calls are not looked for */
    bool chat;
    struct cn_thinking thinking;
    struct cn_json_text content, reasoning, calls; /* plain bytes, so far */
    struct cn_json_text held, held_reasoning;      /* not yet to be told */
    bool calling, stopped;
};

/* chat NULL: plain text. All must live as long as the speech, which must not move. */
void cn_speech_begin(struct cn_speech *speech, const struct cn_model *model,
                     const struct cn_chat *chat, const struct cn_request *request,
                     const struct cn_tool_marks *marks, const int32_t *prompt, size_t n_prompt);
void cn_speech_token(struct cn_speech *speech, int32_t token);
/* No more tokens: what was held is told. */
void cn_speech_end(struct cn_speech *speech);
bool cn_speech_failed(const struct cn_speech *speech); /* memory ran out */
void cn_speech_free(struct cn_speech *speech);

#endif

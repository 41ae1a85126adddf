/* SPDX-License-Identifier: MIT
 *
 * How a model calls tools: learnt from its chat template, which is given a call and seen to write
 * it; and the calls of an answer read back.
 */
#ifndef CN_TOOL_MARKS_H
#define CN_TOOL_MARKS_H

#include "engine/carnot.h"
#include "serve/json_text.h"

/* Calls are JSON objects of a name and arguments behind `open`. */
struct cn_tool_marks {
    char open[64];      /* without blanks around it; "": the object itself is all there is */
    char arguments[32]; /* the key of the arguments: "arguments", "parameters" */
    char name[32];      /* and of the name */
    bool known;         /* the template writes calls, and in this form */
};

void cn_tool_marks_learn(const struct cn_chat *chat, struct cn_tool_marks *marks);

/* Writes the calls in text[n], which begins behind an opening mark or with an object, as a JSON
 * list of {"id", "type", "function"}, with an "index" in each if asked; ids begin with `id`.
 * Returns how many there are: 0 leaves `out` alone. */
size_t cn_tool_calls_write(const struct cn_tool_marks *marks, const char *text, size_t n,
                           const char *id, bool index, struct cn_json_text *out);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The calls of tools in an answer, read back.
 */
#ifndef CN_TOOL_CALLS_H
#define CN_TOOL_CALLS_H

#include "serve/json_text.h"
#include "serve/request.h"
#include "serve/tool_marks.h"

/* Writes the calls in text[n], which begins with an opening mark or with an object, as a JSON list
 * of {"id", "type", "function"}, with an "index" in each if asked; ids begin with `id`. The
 * request's tools say which arguments are strings where the text does not, and whether one call is
 * all it wants. Returns how many there are: 0 leaves `out` alone. */
size_t cn_tool_calls_write(const struct cn_tool_marks *marks, const struct cn_request *request,
                           const char *text, size_t n, const char *id, bool index,
                           struct cn_json_text *out);

#endif

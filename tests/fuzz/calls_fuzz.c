/* SPDX-License-Identifier: MIT
 *
 * Any bytes as what a model says where it may call tools: the first says in which form, then come
 * the request's tools up to a NUL, then the answer. What is read is JSON, and as many calls as
 * told.
 */
#include <string.h>

#include "base/json.h"
#include "serve/tool_calls.h"
#include "tests/fuzz/fuzz.h"

/* clang-format off */
static const struct cn_tool_marks forms[] = {
    { CN_CALL_OBJECT, .open = "<tool_call>", .name = "name", .arguments = "arguments" },
    { CN_CALL_NAMED, .open = "[TOOL_CALLS]", .before_name = "[TOOL_CALLS]" },
    { CN_CALL_FIELDS,
      .open = "<tool_call>",
      .before_name = "<function=",
      .before_key = "<parameter=",
      .after_key = ">",
      .before_value = ">",
      .after_value = "</parameter>",
      .own_lines = true },
    { CN_CALL_FIELDS,
      .open = "<tool_call>",
      .before_name = "<tool_call>",
      .before_key = "<arg_key>",
      .after_key = "</arg_key>",
      .before_value = "<arg_value>",
      .after_value = "</arg_value>" },
};
/* clang-format on */

static void look(const struct cn_tool_marks *marks, const struct cn_json_text *out, size_t n_calls)
{
    struct cn_json *calls, *arguments;
    expect(cn_json_parse(out->p, out->n, "calls", &calls, NULL) == CN_OK);
    expect(cn_json_root(calls)->n_children == n_calls);
    for (const struct cn_json_value *c = cn_json_root(calls)->first; c; c = c->next) {
        const struct cn_json_value *given = cn_json_get(cn_json_get(c, "function"), "arguments");
        expect(given && given->type == CN_JSON_STRING);
        if (marks->form == CN_CALL_OBJECT) /* there they may be a string of whatever */
            continue;
        expect(cn_json_parse(given->string, given->n_string, "a", &arguments, NULL) == CN_OK);
        expect(cn_json_root(arguments)->type == CN_JSON_OBJECT);
        cn_json_free(arguments);
    }
    cn_json_free(calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    const struct cn_tool_marks *marks = &forms[data[0] % (sizeof forms / sizeof *forms)];
    const char *tools = (const char *)data + 1, *end = memchr(tools, 0, n - 1);
    const char *text = end ? end + 1 : tools;
    const size_t n_tools = end ? (size_t)(end - tools) : 0;
    char *copy = strndup(tools, n_tools);
    const struct cn_request request = { .tools = copy,
                                        .n_tools = n_tools,
                                        .one_call = data[0] & 0x80 };
    struct cn_json_text out = { 0 };
    expect(copy != NULL);
    const size_t n_calls = cn_tool_calls_write(
        marks, &request, text, n - 1 - (end ? n_tools + 1 : 0), "id", data[0] & 0x40, &out);
    expect(n_calls <= 1 || !request.one_call);
    expect((n_calls > 0) == (out.n > 0));
    if (n_calls > 0)
        look(marks, &out, n_calls);
    cn_json_text_free(&out);
    free(copy);
    return 0;
}

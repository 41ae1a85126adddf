/* SPDX-License-Identifier: MIT */
#include "serve/tool_marks.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The end of the object that begins at text[from], or 0: braces outside strings are counted. */
static size_t object_end(const char *text, size_t from, size_t n)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = from; i < n; i++) {
        const char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* ---- learning -------------------------------------------------------------------------------- */

#define PROBE_NAME "carnot_probe"
#define PROBE_KEY  "probe_key"

/* The keys that an object gives name and arguments under. */
static bool learn_keys(const struct cn_json_value *object, struct cn_tool_marks *marks)
{
    marks->name[0] = marks->arguments[0] = '\0';
    for (const struct cn_json_value *m = object->first; m; m = m->next) {
        if (m->type == CN_JSON_STRING && strcmp(m->string, PROBE_NAME) == 0)
            snprintf(marks->name, sizeof marks->name, "%s", m->key);
        if (m->type == CN_JSON_OBJECT && cn_json_get(m, PROBE_KEY))
            snprintf(marks->arguments, sizeof marks->arguments, "%s", m->key);
    }
    return marks->name[0] && marks->arguments[0];
}

/* What stands in front of the object, from the assistant's turn on, is the mark. */
static void learn_mark(const char *p, size_t n, struct cn_tool_marks *marks)
{
    while (n > 0 && (is_blank(p[n - 1]) || p[n - 1] == '['))
        n--;
    while (n > 0 && is_blank(*p)) {
        p++;
        n--;
    }
    marks->known = n < sizeof marks->open;
    if (marks->known)
        snprintf(marks->open, sizeof marks->open, "%.*s", (int)n, p);
}

void cn_tool_marks_learn(const struct cn_chat *chat, struct cn_tool_marks *marks)
{
    static const char call[] =
        "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"call00000\", "
        "\"type\": \"function\", \"function\": {\"name\": \"" PROBE_NAME
        "\", \"arguments\": {\"" PROBE_KEY "\": \"x\"}}}]}";
    const struct cn_chat_message talk[] = {
        {.role = "user",       .content = "A question", .n_content = 10          },
        { .role = "assistant", .json = call,            .n_json = sizeof call - 1},
    };
    char *before = NULL, *text = NULL;
    size_t n_before, n, at = 0;
    *marks = (struct cn_tool_marks){ .known = false };
    if (cn_chat_text(chat, talk, 1, true, &before, &n_before, NULL) == CN_OK &&
        cn_chat_text(chat, talk, 2, false, &text, &n, NULL) == CN_OK) {
        while (at < n && at < n_before && text[at] == before[at])
            at++;
        const char *name = memmem(text + at, n - at, PROBE_NAME, sizeof PROBE_NAME - 1);
        /* The object around the name: the nearest brace before it that opens a whole one. */
        for (size_t from = name ? (size_t)(name - text) : at; from-- > at && !marks->known;) {
            const size_t end = text[from] == '{' ? object_end(text, from, n) : 0;
            struct cn_json *json;
            if (end == 0 || cn_json_parse(text + from, end - from, "call", &json, NULL) != CN_OK)
                continue;
            if (learn_keys(cn_json_root(json), marks))
                learn_mark(text + at, from - at, marks);
            cn_json_free(json);
        }
    }
    free(before);
    free(text);
}

/* ---- reading back ---------------------------------------------------------------------------- */

static bool write_call(const struct cn_tool_marks *marks, const char *text, size_t n,
                       const char *id, size_t number, bool index, struct cn_json_text *out)
{
    struct cn_json *json;
    if (cn_json_parse(text, n, "call", &json, NULL) != CN_OK)
        return false;
    const struct cn_json_value *name = cn_json_get(cn_json_root(json), marks->name);
    const struct cn_json_value *arguments = cn_json_get(cn_json_root(json), marks->arguments);
    const bool ok = name && name->type == CN_JSON_STRING && arguments;
    if (ok) {
        cn_json_text_add(out, number ? ", " : "[", number ? 2 : 1);
        cn_json_text_add(out, "{", 1);
        if (index)
            cn_json_text_say(out, "\"index\": %zu, ", number);
        cn_json_text_say(
            out, "\"id\": \"%s_%zu\", \"type\": \"function\", \"function\": {\"name\": ", id,
            number);
        cn_json_text_string(out, name->string, name->n_string);
        cn_json_text_say(out, ", \"arguments\": ");
        if (arguments->type == CN_JSON_STRING)
            cn_json_text_string(out, arguments->string, arguments->n_string);
        else
            cn_json_text_string(out, text + arguments->begin, arguments->end - arguments->begin);
        cn_json_text_say(out, "}}");
    }
    cn_json_free(json);
    return ok;
}

size_t cn_tool_calls_write(const struct cn_tool_marks *marks, const char *text, size_t n,
                           const char *id, bool index, struct cn_json_text *out)
{
    size_t n_calls = 0;
    for (size_t at = 0; at < n; at++) {
        const size_t end = text[at] == '{' ? object_end(text, at, n) : 0;
        if (end == 0)
            continue;
        n_calls += write_call(marks, text + at, end - at, id, n_calls, index, out);
        at = end - 1;
    }
    if (n_calls > 0)
        cn_json_text_add(out, "]", 1);
    return n_calls;
}

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

static bool ends_mark(char c)
{
    return is_blank(c) || c == '>' || c == ']' || c == '}';
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
    static const char said[] = "carnot says";
    const struct cn_chat_message calling[] = {
        {.role = "user",       .content = "A question", .n_content = 10          },
        { .role = "assistant", .json = call,            .n_json = sizeof call - 1},
    };
    const struct cn_chat_message saying[] = {
        {.role = "user",       .content = "A question", .n_content = 10             },
        { .role = "assistant", .content = said,         .n_content = sizeof said - 1},
    };
    char *plain = NULL, *text = NULL;
    size_t n_plain, n, at = 0;
    *marks = (struct cn_tool_marks){ .known = false };
    if (cn_chat_text(chat, saying, 2, false, &plain, &n_plain, NULL) == CN_OK &&
        cn_chat_text(chat, calling, 2, false, &text, &n, NULL) == CN_OK) {
        /* The assistant's turn begins where the same is written whether it calls or says. */
        const char *answer = memmem(plain, n_plain, said, sizeof said - 1);
        const size_t n_before = answer ? (size_t)(answer - plain) : 0;
        while (at < n && at < n_before && text[at] == plain[at])
            at++;
        while (at > 0 && at < n_before && !ends_mark(text[at - 1]))
            at--; /* two marks that begin alike */
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
    free(plain);
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

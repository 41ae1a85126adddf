/* SPDX-License-Identifier: MIT
 *
 * A call of a tool with two arguments of known names and values, a string and a number, is written
 * by the template; where these are found tells what stands between them.
 */
#include "serve/tool_marks.h"

#include "base/json.h"
#include "serve/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOOL        "carnot_probe"
#define KEY         "probe_key"
#define VALUE       "probe value"
#define OTHER_KEY   "probe_other"
#define OTHER_VALUE "4711"

static const char tool_list[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"" TOOL
    "\", \"description\": \"A probe\", \"parameters\": {\"type\": \"object\", \"properties\": "
    "{\"" KEY "\": {\"type\": \"string\"}, \"" OTHER_KEY "\": {\"type\": \"integer\"}}}}}]";

/* A message with the call; content: null or "", which templates tell apart. */
#define CALL(content)                                                                \
    "{\"role\": \"assistant\", \"content\": " content                                \
    ", \"tool_calls\": [{\"id\": \"call00000\", "                                    \
    "\"type\": \"function\", \"function\": {\"name\": \"" TOOL "\", \"arguments\": " \
    "{\"" KEY "\": \"" VALUE "\", \"" OTHER_KEY "\": " OTHER_VALUE "}}}]}"

static bool ends_mark(char c)
{
    return cn_span_is_blank(c) || c == '>' || c == ']' || c == '}';
}

/* <mark> or [MARK], the first and the last of several; or all of it. */
static struct cn_str first_mark(struct cn_str s)
{
    s = cn_span_trim(s);
    for (size_t i = 0; i < s.n; i++)
        if (ends_mark(s.p[i]))
            return (struct cn_str){ s.p, i + !cn_span_is_blank(s.p[i]) };
    return s;
}

static struct cn_str last_mark(struct cn_str s)
{
    s = cn_span_trim(s);
    for (size_t i = s.n; i-- > 0;)
        if (s.p[i] == '<' || s.p[i] == '[')
            return (struct cn_str){ s.p + i, s.n - i };
    return s;
}

static struct cn_str common_prefix(struct cn_str a, struct cn_str b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n])
        n++;
    return (struct cn_str){ a.p, n };
}

static struct cn_str common_suffix(struct cn_str a, struct cn_str b)
{
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[a.n - 1 - n] == b.p[b.n - 1 - n])
        n++;
    return (struct cn_str){ a.p + a.n - n, n };
}

static bool keep(char *to, size_t size, struct cn_str s)
{
    if (s.n >= size)
        return false;
    snprintf(to, size, "%.*s", (int)s.n, s.p);
    return true;
}

#define KEEP(to, s) keep(to, sizeof(to), s)

/* Whether no text would be taken for it by accident. */
static bool is_mark(struct cn_str s)
{
    return s.n >= 3 && (*s.p == '<' || *s.p == '[') && !memchr(s.p, '{', s.n);
}

/* ---- the forms ------------------------------------------------------------------------------- */

/* The keys that an object gives name and arguments under. */
static bool learn_keys(const struct cn_json_value *object, struct cn_tool_marks *marks)
{
    marks->name[0] = marks->arguments[0] = '\0';
    for (const struct cn_json_value *m = object->first; m; m = m->next) {
        const struct cn_str key = { m->key, m->n_key };
        if (m->type == CN_JSON_STRING && strcmp(m->string, TOOL) == 0 && !KEEP(marks->name, key))
            return false;
        if (m->type == CN_JSON_OBJECT && cn_json_get(m, KEY) && !KEEP(marks->arguments, key))
            return false;
    }
    return marks->name[0] && marks->arguments[0];
}

/* Objects behind a mark may be in a list. */
static bool learn_object(struct cn_str turn, struct cn_str before, struct cn_tool_marks *marks)
{
    for (size_t from = before.n; from-- > 0;) {
        const struct cn_str object = cn_span_object(turn, from);
        struct cn_json *json;
        if (object.n == 0 || cn_json_parse(object.p, object.n, "call", &json, NULL) != CN_OK)
            continue;
        const bool ok = learn_keys(cn_json_root(json), marks);
        cn_json_free(json);
        struct cn_str mark = cn_span_trim((struct cn_str){ turn.p, from });
        for (; mark.n > 0 && (cn_span_is_blank(mark.p[mark.n - 1]) || mark.p[mark.n - 1] == '[');
             mark.n--)
            ;
        if (ok && KEEP(marks->open, mark)) {
            marks->form = CN_CALL_OBJECT;
            return true;
        }
    }
    return false;
}

static bool learn_named(struct cn_str before, struct cn_str behind, struct cn_tool_marks *marks)
{
    const struct cn_str object = cn_span_first_object(behind);
    struct cn_json *json;
    if (object.n == 0 || cn_json_parse(object.p, object.n, "call", &json, NULL) != CN_OK)
        return false;
    const bool ok = cn_json_get(cn_json_root(json), OTHER_KEY) && is_mark(first_mark(before)) &&
                    is_mark(last_mark(before)) && KEEP(marks->open, first_mark(before)) &&
                    KEEP(marks->before_name, last_mark(before));
    cn_json_free(json);
    if (ok)
        marks->form = CN_CALL_NAMED;
    return ok;
}

static bool learn_fields(struct cn_str before, struct cn_str behind, struct cn_tool_marks *marks)
{
    struct cn_str to_key, to_value, to_other_key, to_other_value, rest = behind;
    if (!cn_span_cut(&rest, KEY, &to_key) || !cn_span_cut(&rest, VALUE, &to_value) ||
        !cn_span_cut(&rest, OTHER_KEY, &to_other_key) ||
        !cn_span_cut(&rest, OTHER_VALUE, &to_other_value))
        return false;
    const struct cn_str before_key = last_mark(common_suffix(to_key, to_other_key));
    const struct cn_str after_value = first_mark(common_prefix(to_other_key, rest));
    /* Strings and numbers may be marked as such. */
    const struct cn_str after_key = first_mark(common_prefix(to_value, to_other_value));
    const struct cn_str before_value = last_mark(common_suffix(to_value, to_other_value));
    if (!is_mark(first_mark(before)) || !is_mark(last_mark(before)) || !is_mark(before_key) ||
        !is_mark(after_value) || after_key.n == 0 || before_value.n == 0 ||
        !KEEP(marks->open, first_mark(before)) || !KEEP(marks->before_name, last_mark(before)) ||
        !KEEP(marks->before_key, before_key) || !KEEP(marks->after_key, after_key) ||
        !KEEP(marks->before_value, before_value) || !KEEP(marks->after_value, after_value))
        return false;
    marks->own_lines = to_value.p[to_value.n - 1] == '\n' && *to_other_key.p == '\n';
    marks->form = CN_CALL_FIELDS;
    return true;
}

/* ---- learning -------------------------------------------------------------------------------- */

/* What the template writes of the assistant's turn if it calls, from where an answer would begin.
 * *text is to be freed. */
static bool write_turn(const struct cn_chat *chat, const char *call, char **text,
                       struct cn_str *turn)
{
    static const char said[] = "carnot says";
    const struct cn_chat_message calling[] = {
        {.role = "user",       .content = "A question", .n_content = 10       },
        { .role = "assistant", .json = call,            .n_json = strlen(call)},
    };
    const struct cn_chat_message saying[] = {
        {.role = "user",       .content = "A question", .n_content = 10             },
        { .role = "assistant", .content = said,         .n_content = sizeof said - 1},
    };
    char *plain = NULL;
    size_t n_plain, n, at = 0;
    *text = NULL;
    const bool ok = cn_chat_text(chat, saying, 2, false, &plain, &n_plain, NULL) == CN_OK &&
                    cn_chat_text(chat, calling, 2, false, text, &n, NULL) == CN_OK;
    if (ok) {
        /* The assistant's turn begins where the same is written whether it calls or says. */
        const char *answer = memmem(plain, n_plain, said, sizeof said - 1);
        const size_t n_before = answer ? (size_t)(answer - plain) : 0;
        while (at < n && at < n_before && (*text)[at] == plain[at])
            at++;
        while (at > 0 && at < n_before && !ends_mark((*text)[at - 1]))
            at--; /* two marks that begin alike */
        *turn = (struct cn_str){ *text + at, n - at };
    }
    free(plain);
    return ok;
}

static void learn(const struct cn_chat *chat, const char *call, struct cn_tool_marks *marks)
{
    char *text;
    struct cn_str turn, before, empty;
    const char *thought = cn_chat_thinking_of(chat).close;
    *marks = (struct cn_tool_marks){ .form = CN_CALL_NONE };
    if (write_turn(chat, call, &text, &turn)) {
        if (thought)
            cn_span_cut(&turn, thought,
                        &empty); /* what is thought before calls is no part of their marks */
        struct cn_str behind = turn;
        if (cn_span_cut(&behind, TOOL, &before) && !learn_object(turn, before, marks) &&
            !learn_named(before, behind, marks) && !learn_fields(before, behind, marks))
            *marks = (struct cn_tool_marks){ .form = CN_CALL_NONE };
    }
    free(text);
}

void cn_tool_marks_learn(const struct cn_model *model, const struct cn_chat_options *options,
                         struct cn_tool_marks *marks)
{
    static const char *const calls[] = { CALL("\"\""), CALL("null") };
    struct cn_chat_options o = *options;
    struct cn_chat *chat = NULL;
    *marks = (struct cn_tool_marks){ .form = CN_CALL_NONE };
    o.tools = tool_list;
    o.n_tools = sizeof tool_list - 1;
    if (cn_chat_create(model, &o, &chat, NULL) != CN_OK)
        return;
    for (size_t i = 0; i < 2 && marks->form == CN_CALL_NONE; i++)
        learn(chat, calls[i], marks);
    cn_chat_free(chat);
}

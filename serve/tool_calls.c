/* SPDX-License-Identifier: MIT */
#include "serve/tool_calls.h"

#include "base/json.h"
#include "serve/span.h"

#include <string.h>
#include <strings.h>

struct reader {
    const struct cn_tool_marks *marks;
    const struct cn_json_value *tools; /* the request's list; NULL: none */
    const char *id;
    bool index;
    size_t n_calls;
    struct cn_json_text *out;
};

static void write_call(struct reader *r, struct cn_str name, struct cn_str arguments)
{
    cn_json_text_say(r->out, r->n_calls ? ", {" : "[{");
    if (r->index)
        cn_json_text_say(r->out, "\"index\": %zu, ", r->n_calls);
    cn_json_text_say(r->out,
                     "\"id\": \"%s_%zu\", \"type\": \"function\", \"function\": {\"name\": ", r->id,
                     r->n_calls);
    cn_json_text_string(r->out, name.p, name.n);
    cn_json_text_say(r->out, ", \"arguments\": ");
    cn_json_text_string(r->out, arguments.p, arguments.n);
    cn_json_text_say(r->out, "}}");
    r->n_calls++;
}

/* ---- an object of name and arguments --------------------------------------------------------- */

static void read_object(struct reader *r, struct cn_str object)
{
    struct cn_json *json;
    if (cn_json_parse(object.p, object.n, "call", &json, NULL) != CN_OK)
        return;
    const struct cn_json_value *name = cn_json_get(cn_json_root(json), r->marks->name);
    const struct cn_json_value *arguments = cn_json_get(cn_json_root(json), r->marks->arguments);
    if (name && name->type == CN_JSON_STRING && arguments)
        write_call(r, (struct cn_str){ name->string, name->n_string },
                   arguments->type == CN_JSON_STRING
                       ? (struct cn_str){ arguments->string, arguments->n_string }
                       : (struct cn_str){ object.p + arguments->begin,
                                          arguments->end - arguments->begin });
    cn_json_free(json);
}

static void read_objects(struct reader *r, struct cn_str text, size_t most)
{
    for (size_t at = 0; at < text.n && r->n_calls < most; at++) {
        const struct cn_str object = cn_span_object(text, at);
        if (object.n == 0)
            continue;
        read_object(r, object);
        at += object.n - 1;
    }
}

/* ---- arguments between marks ----------------------------------------------------------------- */

/* The first member of an object that is called `key`; NULL: none is. */
static const struct cn_json_value *member(const struct cn_json_value *object, struct cn_str key)
{
    const struct cn_json_value *m = object && object->type == CN_JSON_OBJECT ? object->first : NULL;
    while (m && !(m->n_key == key.n && memcmp(m->key, key.p, key.n) == 0))
        m = m->next;
    return m;
}

/* What the request's tools say of an argument's type: the JSON value of "type", or NULL. */
static const struct cn_json_value *type_of(const struct reader *r, struct cn_str tool,
                                           struct cn_str key)
{
    for (const struct cn_json_value *t = r->tools ? r->tools->first : NULL; t; t = t->next) {
        const struct cn_json_value *function = cn_json_get(t, "function");
        const struct cn_json_value *name = cn_json_get(function, "name");
        if (name && name->type == CN_JSON_STRING && name->n_string == tool.n &&
            memcmp(name->string, tool.p, tool.n) == 0)
            return cn_json_get(
                member(cn_json_get(cn_json_get(function, "parameters"), "properties"), key),
                "type");
    }
    return NULL;
}

/* "string", or a list with it. */
static bool may_be(const struct cn_json_value *type, const char *name)
{
    for (const struct cn_json_value *t = type && type->first ? type->first : type; t;
         t = t == type ? NULL : t->next)
        if (t->type == CN_JSON_STRING && strcmp(t->string, name) == 0)
            return true;
    return false;
}

/* The JSON value that s is, without what a reader skips in front of it, blanks and a byte order
 * mark; of no bytes: it is none. */
static struct cn_str json_in(struct cn_str s)
{
    struct cn_json *json;
    if (cn_json_parse(s.p, s.n, "argument", &json, NULL) != CN_OK)
        return (struct cn_str){ s.p, 0 };
    const struct cn_json_value *root = cn_json_root(json);
    const struct cn_str value = { s.p + root->begin, root->end - root->begin };
    cn_json_free(json);
    return value;
}

/* What is not said to be a string is JSON if it can be; True and False are Python's. */
static void write_value(struct cn_json_text *out, const struct cn_json_value *type,
                        struct cn_str value)
{
    const struct cn_str bare = cn_span_trim(value), json = json_in(bare);
    if (!may_be(type, "string") && json.n > 0)
        cn_json_text_add(out, json.p, json.n);
    else if (may_be(type, "boolean") && bare.n == 4 && strncasecmp(bare.p, "true", 4) == 0)
        cn_json_text_add(out, "true", 4);
    else if (may_be(type, "boolean") && bare.n == 5 && strncasecmp(bare.p, "false", 5) == 0)
        cn_json_text_add(out, "false", 5);
    else
        cn_json_text_string(out, value.p, value.n);
}

/* Each "key": value of a call of `tool`. False: one has no end. */
static bool read_fields(const struct reader *r, struct cn_str tool, struct cn_str text,
                        struct cn_json_text *arguments)
{
    const struct cn_tool_marks *marks = r->marks;
    struct cn_str skipped, key, value;
    cn_json_text_add(arguments, "{", 1);
    while (cn_span_cut(&text, marks->before_key, &skipped)) {
        struct cn_str rest = text;
        if (!cn_span_cut(&rest, marks->after_key, &key))
            return false;
        text.p += key.n;
        text.n -= key.n;
        if (!cn_span_cut(&text, marks->before_value, &skipped) ||
            memmem(skipped.p, skipped.n, marks->before_key, strlen(marks->before_key)) ||
            !cn_span_cut(&text, marks->after_value, &value))
            return false;
        if (marks->own_lines && value.n > 0 && *value.p == '\n') {
            value.p++;
            value.n--;
        }
        if (marks->own_lines && value.n > 0 && value.p[value.n - 1] == '\n')
            value.n--;
        key = cn_span_trim(key);
        cn_json_text_say(arguments, arguments->n > 1 ? ", " : "");
        cn_json_text_string(arguments, key.p, key.n);
        cn_json_text_say(arguments, ": ");
        write_value(arguments, type_of(r, tool, key), value);
    }
    cn_json_text_add(arguments, "}", 1);
    return true;
}

/* ---- a name behind a mark -------------------------------------------------------------------- */

/* What names of functions are made of, by the API. */
static bool in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* One call: its name, and all up to the next one. */
static void read_named(struct reader *r, struct cn_str text)
{
    struct cn_str name = { text.p, 0 };
    struct cn_json_text arguments = { 0 };
    while (name.n < text.n && in_name(name.p[name.n]))
        name.n++;
    text.p += name.n;
    text.n -= name.n;
    if (r->marks->form == CN_CALL_NAMED) {
        const struct cn_str object = json_in(cn_span_first_object(text));
        if (object.n > 0)
            cn_json_text_add(&arguments, object.p, object.n);
    } else if (!read_fields(r, name, text, &arguments)) {
        cn_json_text_free(&arguments);
    }
    if (name.n > 0 && arguments.n > 0)
        write_call(r, name, (struct cn_str){ arguments.p, arguments.n });
    r->out->failed |= arguments.failed;
    cn_json_text_free(&arguments);
}

static void read_all_named(struct reader *r, struct cn_str text, size_t most)
{
    const char *mark = r->marks->before_name;
    struct cn_str before, call;
    bool more = cn_span_cut(&text, mark, &before);
    while (more && r->n_calls < most) {
        call = cn_span_trim(text);
        more = cn_span_cut(&text, mark, &before);
        if (more)
            call = cn_span_trim(before);
        read_named(r, call);
    }
}

size_t cn_tool_calls_write(const struct cn_tool_marks *marks, const struct cn_request *request,
                           const char *text, size_t n, const char *id, bool index,
                           struct cn_json_text *out)
{
    struct cn_json *tools = NULL;
    struct reader r = { .marks = marks, .id = id, .index = index, .out = out };
    const size_t most = request->one_call ? 1 : SIZE_MAX;
    if (request->tools &&
        cn_json_parse(request->tools, request->n_tools, "tools", &tools, NULL) == CN_OK)
        r.tools = cn_json_root(tools);
    if (marks->form == CN_CALL_OBJECT)
        read_objects(&r, (struct cn_str){ text, n }, most);
    else
        read_all_named(&r, (struct cn_str){ text, n }, most);
    if (r.n_calls > 0)
        cn_json_text_add(out, "]", 1);
    cn_json_free(tools);
    return r.n_calls;
}

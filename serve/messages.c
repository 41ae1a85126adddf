/* SPDX-License-Identifier: MIT */
#include "serve/messages.h"

#include "base/str.h"
#include "serve/json_text.h"

#include <string.h>

/* Copies the text of the list with some values written anew. */
struct copy {
    const char *body;
    size_t at; /* of body: all before is in `out` */
    struct cn_json_text out;
};

static bool is_string(const struct cn_json_value *v)
{
    return v && v->type == CN_JSON_STRING;
}

static void replace(struct copy *c, const struct cn_json_value *value, const char *p, size_t n)
{
    cn_json_text_add(&c->out, c->body + c->at, value->begin - c->at);
    cn_json_text_add(&c->out, p, n);
    c->at = value->end;
}

/* Whether a string holds an object. */
static bool holds_object(const struct cn_json_value *v)
{
    struct cn_json *json;
    if (cn_json_parse(v->string, v->n_string, "arguments", &json, NULL) != CN_OK)
        return false;
    const bool object = cn_json_root(json)->type == CN_JSON_OBJECT;
    cn_json_free(json);
    return object;
}

static void copy_calls(struct copy *c, const struct cn_json_value *calls)
{
    if (calls->type != CN_JSON_ARRAY)
        return;
    for (const struct cn_json_value *call = calls->first; call; call = call->next) {
        const struct cn_json_value *arguments =
            cn_json_get(cn_json_get(call, "function"), "arguments");
        if (is_string(arguments) && holds_object(arguments))
            replace(c, arguments, arguments->string, arguments->n_string);
    }
}

static bool check_parts(const struct cn_json_value *content, size_t i, struct cn_refusal *refusal)
{
    if (content->type == CN_JSON_STRING || content->type == CN_JSON_NULL)
        return true;
    if (content->type != CN_JSON_ARRAY)
        return cn_refuse(refusal, 400, NULL, "messages",
                         "message %zu: content: a string or a list of parts expected, %s found",
                         i + 1, cn_json_type_name(content->type));
    for (const struct cn_json_value *part = content->first; part; part = part->next) {
        const struct cn_json_value *type = cn_json_get(part, "type");
        char shown[CN_SHOW_BYTES] = "?";
        if (is_string(type) && strcmp(type->string, "text") == 0 &&
            is_string(cn_json_get(part, "text")))
            continue;
        if (is_string(type))
            cn_str_show((struct cn_str){ type->string, type->n_string }, shown, sizeof shown);
        return cn_refuse(refusal, 400, "unsupported", "messages",
                         "message %zu: a part of the type \"%s\" is not supported, only \"text\"",
                         i + 1, shown);
    }
    return true;
}

static bool copy_message(struct copy *c, const struct cn_json_value *message, size_t i,
                         struct cn_refusal *refusal)
{
    if (message->type != CN_JSON_OBJECT || !is_string(cn_json_get(message, "role")))
        return cn_refuse(refusal, 400, NULL, "messages",
                         "message %zu: an object with a \"role\" expected", i + 1);
    for (const struct cn_json_value *m = message->first; m; m = m->next) {
        if (strcmp(m->key, "content") == 0 && !check_parts(m, i, refusal))
            return false;
        if (strcmp(m->key, "role") == 0 && is_string(m) && strcmp(m->string, "developer") == 0)
            replace(c, m, "\"system\"", 8);
        if (strcmp(m->key, "tool_calls") == 0)
            copy_calls(c, m);
    }
    return true;
}

bool cn_messages_take(const char *body, const struct cn_json_value *messages, char **out, size_t *n,
                      struct cn_refusal *refusal)
{
    struct copy c = { .body = body, .at = messages->begin };
    size_t i = 0;
    if (messages->type != CN_JSON_ARRAY || !messages->first)
        return cn_refuse(refusal, 400, NULL, "messages", "messages: a list expected, %s found",
                         messages->type == CN_JSON_ARRAY ? "an empty one"
                                                         : cn_json_type_name(messages->type));
    for (const struct cn_json_value *m = messages->first; m; m = m->next, i++)
        if (!copy_message(&c, m, i, refusal)) {
            cn_json_text_free(&c.out);
            return false;
        }
    cn_json_text_add(&c.out, body + c.at, messages->end - c.at);
    if (c.out.failed) {
        cn_json_text_free(&c.out);
        return cn_refuse(refusal, 500, NULL, "messages", "out of memory");
    }
    *out = c.out.p;
    *n = c.out.n;
    return true;
}

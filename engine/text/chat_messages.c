/* SPDX-License-Identifier: MIT
 *
 * Messages of a conversation out of JSON.
 */
#include "base/error.h"
#include "base/json.h"
#include "engine/carnot.h"

#include <stdlib.h>
#include <string.h>

/* The role of message i (counted from 0), which is handed on as a C string. */
static enum cn_status need_role(const struct cn_json_value *message, size_t i, const char *name,
                                struct cn_error *err)
{
    const struct cn_json_value *role = cn_json_get(message, "role");
    CN_RETURN_IF(!role, CN_ERR_FORMAT, err,
                 "%s: message %zu: expected an object with \"role\", found %s", name, i + 1,
                 message->type == CN_JSON_OBJECT ? "none" : cn_json_type_name(message->type));
    CN_RETURN_IF(role->type != CN_JSON_STRING, CN_ERR_FORMAT, err,
                 "%s: message %zu: \"role\": expected a string, found %s", name, i + 1,
                 cn_json_type_name(role->type));
    CN_RETURN_IF(strlen(role->string) != role->n_string, CN_ERR_FORMAT, err,
                 "%s: message %zu: \"role\" holds a NUL", name, i + 1);
    return CN_OK;
}

/* The text of a part of a content that is a list; NULL if it is of another kind. */
static const struct cn_json_value *part_text(const struct cn_json_value *part)
{
    const struct cn_json_value *text =
        part->type == CN_JSON_STRING ? part : cn_json_get(part, "text");
    return text && text->type == CN_JSON_STRING ? text : NULL;
}

static enum cn_status check_content(const struct cn_json_value *message, size_t i, const char *name,
                                    struct cn_error *err)
{
    const struct cn_json_value *content = cn_json_get(message, "content");
    CN_RETURN_IF(content && content->type != CN_JSON_STRING && content->type != CN_JSON_NULL &&
                     content->type != CN_JSON_ARRAY,
                 CN_ERR_FORMAT, err,
                 "%s: message %zu: \"content\": expected a string or a list of text parts, found "
                 "%s",
                 name, i + 1, cn_json_type_name(content->type));
    return CN_OK;
}

/* Puts the text of a content at p, which has room for all strings in it; returns its length, or
 * SIZE_MAX if there is none. */
static size_t put_content(const struct cn_json_value *content, char *p)
{
    size_t n = 0;
    if (!content || content->type == CN_JSON_NULL)
        return SIZE_MAX;
    if (content->type == CN_JSON_STRING) {
        memcpy(p, content->string, content->n_string);
        return content->n_string;
    }
    for (const struct cn_json_value *part = content->first; part; part = part->next) {
        const struct cn_json_value *text = part_text(part);
        if (!text)
            return SIZE_MAX; /* pictures and the like: only a template can tell */
        memcpy(p + n, text->string, text->n_string);
        n += text->n_string;
    }
    return n;
}

static enum cn_status copy_messages(const struct cn_json_value *list, const char *json,
                                    const char *name, struct cn_chat_message **messages,
                                    size_t *n_messages, struct cn_error *err)
{
    size_t n_bytes = list->n_children * sizeof **messages, i = 0;
    for (const struct cn_json_value *m = list->first; m; m = m->next, i++) {
        CN_TRY(need_role(m, i, name, err));
        CN_TRY(check_content(m, i, name, err));
        /* Strings are never longer than they are written: role, content, and the whole. */
        n_bytes += 2 * (m->end - m->begin) + 3;
    }
    struct cn_chat_message *out = calloc(1, n_bytes ? n_bytes : 1);
    CN_RETURN_IF(!out, CN_ERR_MEMORY, err, "%s: no memory for %zu messages", name, i);
    char *strings = (char *)(out + list->n_children);
    i = 0;
    for (const struct cn_json_value *m = list->first; m; m = m->next, i++) {
        const struct cn_json_value *role = cn_json_get(m, "role");
        out[i].role = strings;
        memcpy(strings, role->string, role->n_string + 1);
        strings += role->n_string + 1;
        size_t n = put_content(cn_json_get(m, "content"), strings);
        if (n != SIZE_MAX) {
            out[i].content = strings;
            out[i].n_content = n;
            strings[n] = '\0';
            strings += n + 1;
        }
        out[i].json = strings;
        out[i].n_json = m->end - m->begin;
        memcpy(strings, json + m->begin, out[i].n_json);
        strings += out[i].n_json;
    }
    *messages = out;
    *n_messages = i;
    return CN_OK;
}

enum cn_status cn_chat_parse(const char *json, size_t n_bytes, const char *name,
                             struct cn_chat_message **messages, size_t *n_messages,
                             struct cn_error *err)
{
    struct cn_json *doc;
    CN_TRY(cn_json_parse(json, n_bytes, name, &doc, err));
    const struct cn_json_value *list = cn_json_root(doc);
    if (list->type == CN_JSON_OBJECT)
        list = cn_json_get(list, "messages");
    enum cn_status status;
    if (list && list->type == CN_JSON_ARRAY)
        status = copy_messages(list, json, name, messages, n_messages, err);
    else
        status = cn_fail(err, CN_ERR_FORMAT, "%s: expected a list of messages, found %s", name,
                         list ? cn_json_type_name(list->type) : "an object without \"messages\"");
    cn_json_free(doc);
    return status;
}

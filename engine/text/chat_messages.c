/* SPDX-License-Identifier: MIT
 *
 * Messages of a conversation out of JSON.
 */
#include "base/error.h"
#include "base/json.h"
#include "engine/carnot.h"

#include <stdlib.h>
#include <string.h>

/* A string member of message i (counted from 0). Roles are handed on as C strings. */
static enum cn_status need_text(const struct cn_json_value *message, size_t i, const char *key,
                                bool c_string, const char *name, const struct cn_json_value **text,
                                struct cn_error *err)
{
    const struct cn_json_value *value = cn_json_get(message, key);
    CN_RETURN_IF(!value, CN_ERR_FORMAT, err,
                 "%s: message %zu: expected an object with \"%s\", found %s", name, i + 1, key,
                 message->type == CN_JSON_OBJECT ? "none" : cn_json_type_name(message->type));
    CN_RETURN_IF(value->type != CN_JSON_STRING, CN_ERR_FORMAT, err,
                 "%s: message %zu: \"%s\": expected a string, found %s", name, i + 1, key,
                 cn_json_type_name(value->type));
    CN_RETURN_IF(c_string && strlen(value->string) != value->n_string, CN_ERR_FORMAT, err,
                 "%s: message %zu: \"%s\" holds a NUL", name, i + 1, key);
    *text = value;
    return CN_OK;
}

static enum cn_status copy_messages(const struct cn_json_value *list, const char *name,
                                    struct cn_chat_message **messages, size_t *n_messages,
                                    struct cn_error *err)
{
    const struct cn_json_value *role, *content;
    size_t n_bytes = list->n_children * sizeof **messages, i = 0;
    for (const struct cn_json_value *m = list->first; m; m = m->next, i++) {
        CN_TRY(need_text(m, i, "role", true, name, &role, err));
        CN_TRY(need_text(m, i, "content", false, name, &content, err));
        n_bytes += role->n_string + 1 + content->n_string + 1;
    }
    struct cn_chat_message *out = malloc(n_bytes ? n_bytes : 1);
    CN_RETURN_IF(!out, CN_ERR_MEMORY, err, "%s: no memory for %zu messages", name, i);
    char *strings = (char *)(out + list->n_children);
    i = 0;
    for (const struct cn_json_value *m = list->first; m; m = m->next, i++) {
        role = cn_json_get(m, "role");
        content = cn_json_get(m, "content");
        memcpy(strings, role->string, role->n_string + 1);
        out[i].role = strings;
        strings += role->n_string + 1;
        memcpy(strings, content->string, content->n_string + 1);
        out[i].content = strings;
        out[i].n_content = content->n_string;
        strings += content->n_string + 1;
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
        status = copy_messages(list, name, messages, n_messages, err);
    else
        status = cn_fail(err, CN_ERR_FORMAT, "%s: expected a list of messages, found %s", name,
                         list ? cn_json_type_name(list->type) : "an object without \"messages\"");
    cn_json_free(doc);
    return status;
}

/* SPDX-License-Identifier: MIT
 *
 * JSON as values of a template.
 */
#include "engine/jinja/jinja_node.h"

#include "base/json.h"

#include <string.h>

/* Roles that templates build control tokens of ("<|" + role + "|>"): these words are taken for the
 * template's own. Any other role stays the user's. */
static const char *const roles[] = { "system",    "user",          "assistant",   "tool",
                                     "developer", "function",      "ipython",     "observation",
                                     "model",     "tool_response", "tool_results" };

static bool is_role(const struct cn_json_value *json)
{
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strlen(roles[i]) == json->n_string && !memcmp(roles[i], json->string, json->n_string))
            return true;
    return false;
}

static struct cn_jval number(struct cn_jrun *run, const struct cn_json_value *json)
{
    cn_jint integer;
    for (size_t i = 0; i < json->n_string; i++)
        if (strchr(".eE", json->string[i]))
            return cn_j_float(json->number);
    if (json->n_string == 0)
        return cn_j_float(json->number);
    if (!cn_j_parse_int(json->string, json->n_string, 10, &integer))
        cn_j_fail(run, CN_ERR_UNSUPPORTED, "the number %.40s... is too large", json->string);
    return cn_j_int(integer);
}

static struct cn_jval text(struct cn_jrun *run, const char *p, size_t n, bool trusted)
{
    return cn_j_string(cn_j_str(run, p, n, !trusted));
}

/* depth: 0 for the list of messages, 1 for a message; -1: not among messages. */
static struct cn_jval convert(struct cn_jrun *run, const struct cn_json_value *json, bool trusted,
                              int depth)
{
    struct cn_jval result;
    int below = depth < 0 || depth > 1 ? -1 : depth + 1;
    cn_j_enter(run);
    switch (json->type) {
    case CN_JSON_BOOL:
        result = cn_j_bool(json->boolean);
        break;
    case CN_JSON_NUMBER:
        result = number(run, json);
        break;
    case CN_JSON_STRING:
        result = text(run, json->string, json->n_string, trusted);
        break;
    case CN_JSON_ARRAY:
        result = cn_j_of_list(cn_j_list(run, json->n_children));
        for (const struct cn_json_value *child = json->first; child; child = child->next)
            cn_j_push(run, result.list, convert(run, child, trusted, below));
        break;
    case CN_JSON_OBJECT:
        result = (struct cn_jval){ .kind = CN_J_DICT, .dict = cn_j_dict(run) };
        for (const struct cn_json_value *child = json->first; child; child = child->next) {
            bool role = depth == 1 && child->type == CN_JSON_STRING && child->n_key == 4 &&
                        !memcmp(child->key, "role", 4) && is_role(child);
            cn_j_dict_set(run, result.dict, text(run, child->key, child->n_key, trusted),
                          convert(run, child, trusted || role, below));
        }
        break;
    default:
        result = cn_j_none();
    }
    cn_j_leave(run);
    return result;
}

struct cn_jval cn_j_from_json(struct cn_jrun *run, const struct cn_json_value *json, bool trusted,
                              bool messages)
{
    return convert(run, json, trusted, messages ? 0 : -1);
}

/* SPDX-License-Identifier: MIT
 *
 * One row a field. A field that is known and not done is refused with the reason; one that nobody
 * knows is refused too: what would be ignored silently would make a study of something else. A
 * field that is null is as one that is not there.
 */
#include "serve/request.h"

#include "base/json.h"
#include "base/str.h"
#include "serve/messages.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct cn_request *request;
    struct cn_refusal *refusal;
    const char *body;
    const char *name; /* of the field */
};

typedef bool take_fn(struct reader *r, const struct cn_json_value *value);

#define REFUSE(r, code, ...) cn_refuse((r)->refusal, 400, code, (r)->name, __VA_ARGS__)

static bool is(const struct cn_json_value *value, enum cn_json_type type)
{
    return value && value->type == type;
}

static bool expected(struct reader *r, const char *what, const struct cn_json_value *found)
{
    return REFUSE(r, NULL, "%s: %s expected, %s found", r->name, what,
                  cn_json_type_name(found->type));
}

static bool take_number(struct reader *r, const struct cn_json_value *v, double min, double max,
                        double *to)
{
    if (!is(v, CN_JSON_NUMBER))
        return expected(r, "a number", v);
    if (!(v->number >= min && v->number <= max))
        return REFUSE(r, NULL, "%s: %.16g to %.16g expected, %.16g found", r->name, min, max,
                      v->number);
    *to = v->number;
    return true;
}

static bool take_whole(struct reader *r, const struct cn_json_value *v, double min, double max,
                       double *to)
{
    return take_number(r, v, min, max, to) &&
           (*to == floor(*to) ||
            REFUSE(r, NULL, "%s: a whole number expected, %.16g found", r->name, *to));
}

static bool take_int(struct reader *r, const struct cn_json_value *v, int32_t min, int32_t max,
                     int32_t *to)
{
    double number = 0;
    if (!take_whole(r, v, min, max, &number))
        return false;
    *to = (int32_t)number;
    return true;
}

static bool take_bool(struct reader *r, const struct cn_json_value *v, bool *to)
{
    if (!is(v, CN_JSON_BOOL))
        return expected(r, "true or false", v);
    *to = v->boolean;
    return true;
}

/* ---- what to answer -------------------------------------------------------------------------- */

static bool take_model(struct reader *r, const struct cn_json_value *v)
{
    if (!is(v, CN_JSON_STRING))
        return expected(r, "a string", v);
    r->request->model = (struct cn_request_text){ v->string, v->n_string };
    return true;
}

/* A list of numbers as token ids. */
static bool take_ids(struct reader *r, const struct cn_json_value *list,
                     struct cn_request_prompt *prompt)
{
    prompt->ids = malloc((list->n_children + 1) * sizeof *prompt->ids);
    if (!prompt->ids)
        return cn_refuse(r->refusal, 500, NULL, r->name, "out of memory");
    for (const struct cn_json_value *id = list->first; id; id = id->next) {
        if (!is(id, CN_JSON_NUMBER) || !(id->number >= 0 && id->number <= INT32_MAX) ||
            id->number != floor(id->number))
            return REFUSE(r, NULL, "%s: token id %zu: a whole number from 0 expected", r->name,
                          prompt->n_ids);
        prompt->ids[prompt->n_ids++] = (int32_t)id->number;
    }
    return true;
}

static bool take_one_prompt(struct reader *r, const struct cn_json_value *v)
{
    struct cn_request_prompt *prompt = &r->request->prompts[r->request->n_prompts++];
    if (is(v, CN_JSON_ARRAY))
        return take_ids(r, v, prompt);
    if (!is(v, CN_JSON_STRING))
        return expected(r, "a string or a list of token ids", v);
    prompt->text = (struct cn_request_text){ v->string, v->n_string };
    return true;
}

/* "text", ["text", ...], [1, 2, ...] or [[1, 2, ...], ...] */
static bool take_prompt(struct reader *r, const struct cn_json_value *v)
{
    const bool several = is(v, CN_JSON_ARRAY) && v->first && v->first->type != CN_JSON_NUMBER;
    const size_t n = several ? v->n_children : 1;
    if (is(v, CN_JSON_ARRAY) && !v->first)
        return REFUSE(r, NULL, "%s: the list is empty", r->name);
    if (n > CN_REQUEST_MAX_PROMPTS)
        return REFUSE(r, NULL, "%s: at most %d prompts in a request, %zu found", r->name,
                      CN_REQUEST_MAX_PROMPTS, n);
    r->request->prompts = calloc(n, sizeof *r->request->prompts);
    if (!r->request->prompts)
        return cn_refuse(r->refusal, 500, NULL, r->name, "out of memory");
    if (!several)
        return take_one_prompt(r, v);
    for (const struct cn_json_value *p = v->first; p; p = p->next)
        if (!take_one_prompt(r, p))
            return false;
    return true;
}

static bool take_messages(struct reader *r, const struct cn_json_value *v)
{
    return cn_messages_take(r->body, v, &r->request->messages, &r->request->n_messages, r->refusal);
}

static bool take_tools(struct reader *r, const struct cn_json_value *v)
{
    if (!is(v, CN_JSON_ARRAY))
        return expected(r, "a list", v);
    for (const struct cn_json_value *tool = v->first; tool; tool = tool->next) {
        const struct cn_json_value *type = cn_json_get(tool, "type");
        const struct cn_json_value *name = cn_json_get(cn_json_get(tool, "function"), "name");
        if (!is(type, CN_JSON_STRING) || strcmp(type->string, "function") != 0)
            return REFUSE(r, NULL, "%s: tools of the type \"function\" are the only ones there are",
                          r->name);
        if (!is(name, CN_JSON_STRING) || name->n_string == 0)
            return REFUSE(r, NULL, "%s: a function with a \"name\" expected", r->name);
    }
    if (!v->first)
        return true;
    /* No string ends where the body does: strndup is not for it. */
    const size_t n = v->end - v->begin;
    char *tools = malloc(n + 1);
    if (!tools)
        return cn_refuse(r->refusal, 500, NULL, r->name, "out of memory");
    memcpy(tools, r->body + v->begin, n);
    tools[n] = 0;
    r->request->tools = tools;
    r->request->n_tools = n;
    return true;
}

static bool take_tool_choice(struct reader *r, const struct cn_json_value *v)
{
    if (is(v, CN_JSON_STRING) && strcmp(v->string, "none") == 0) {
        free(r->request->tools); /* its row stands behind that of the tools */
        r->request->tools = NULL;
        return true;
    }
    if (is(v, CN_JSON_STRING) && strcmp(v->string, "auto") == 0)
        return true;
    return REFUSE(r, "unsupported",
                  "%s: \"auto\" and \"none\" are supported; an answer cannot be "
                  "forced to call a tool",
                  r->name);
}

static bool take_parallel(struct reader *r, const struct cn_json_value *v)
{
    bool parallel = true;
    if (!take_bool(r, v, &parallel))
        return false;
    r->request->one_call = !parallel;
    return true;
}

static bool add_argument(struct reader *r, const char *name, size_t n_name,
                         const struct cn_json_value *v)
{
    struct cn_request *request = r->request;
    if (request->n_arguments == CN_REQUEST_MAX_ARGUMENTS)
        return REFUSE(r, NULL, "%s: at most %d", r->name, CN_REQUEST_MAX_ARGUMENTS);
    if (n_name == 0 || memchr(name, '=', n_name) || memchr(name, 0, n_name))
        return REFUSE(r, NULL, "%s: a name without '=' expected", r->name);
    char *argument = NULL;
    if (asprintf(&argument, "%.*s=%.*s", (int)n_name, name, (int)(v->end - v->begin),
                 r->body + v->begin) < 0)
        return cn_refuse(r->refusal, 500, NULL, r->name, "out of memory");
    request->arguments[request->n_arguments++] = argument;
    return true;
}

static bool take_template_arguments(struct reader *r, const struct cn_json_value *v)
{
    if (!is(v, CN_JSON_OBJECT))
        return expected(r, "an object", v);
    for (const struct cn_json_value *a = v->first; a; a = a->next)
        if (!add_argument(r, a->key, a->n_key, a))
            return false;
    return true;
}

static bool take_effort(struct reader *r, const struct cn_json_value *v)
{
    return add_argument(r, r->name, strlen(r->name), v);
}

/* ---- how much of it -------------------------------------------------------------------------- */

static bool take_max_tokens(struct reader *r, const struct cn_json_value *v)
{
    return take_int(r, v, 0, INT32_MAX, &r->request->max_tokens);
}

static bool take_n(struct reader *r, const struct cn_json_value *v)
{
    return take_int(r, v, 1, CN_REQUEST_MAX_CHOICES, &r->request->n_choices);
}

static bool take_best_of(struct reader *r, const struct cn_json_value *v)
{
    int32_t n = 1;
    if (!take_int(r, v, 1, CN_REQUEST_MAX_CHOICES, &n))
        return false;
    return n == 1 || REFUSE(r, "unsupported", "%s: only 1; n gives several answers", r->name);
}

static bool take_stop(struct reader *r, const struct cn_json_value *v)
{
    const struct cn_json_value *one = is(v, CN_JSON_ARRAY) ? v->first : v;
    for (; one; one = one == v ? NULL : one->next) {
        if (!is(one, CN_JSON_STRING))
            return expected(r, "a string or a list of strings", one);
        if (one->n_string == 0)
            return REFUSE(r, NULL, "%s: an empty string would stop everything", r->name);
        if (r->request->n_stops == CN_REQUEST_MAX_STOPS)
            return REFUSE(r, NULL, "%s: at most %d strings", r->name, CN_REQUEST_MAX_STOPS);
        r->request->stops[r->request->n_stops++] =
            (struct cn_request_text){ one->string, one->n_string };
    }
    return true;
}

static bool take_echo(struct reader *r, const struct cn_json_value *v)
{
    return take_bool(r, v, &r->request->echo);
}

/* Completions say how many, chats say whether. */
static bool take_logprobs(struct reader *r, const struct cn_json_value *v)
{
    bool wanted = false;
    if (r->request->kind == CN_REQUEST_COMPLETION)
        return take_int(r, v, 0, CN_REQUEST_MAX_LOGPROBS, &r->request->n_logprobs);
    if (!take_bool(r, v, &wanted))
        return false;
    if (wanted && r->request->n_logprobs < 0)
        r->request->n_logprobs = 0;
    return true;
}

static bool take_top_logprobs(struct reader *r, const struct cn_json_value *v)
{
    if (r->request->n_logprobs < 0) /* its row stands behind that of logprobs */
        return REFUSE(r, NULL, "%s goes with \"logprobs\": true", r->name);
    return take_int(r, v, 0, CN_REQUEST_MAX_LOGPROBS, &r->request->n_logprobs);
}

static bool take_stream(struct reader *r, const struct cn_json_value *v)
{
    return take_bool(r, v, &r->request->stream);
}

static bool take_stream_options(struct reader *r, const struct cn_json_value *v)
{
    if (!is(v, CN_JSON_OBJECT))
        return expected(r, "an object", v);
    for (const struct cn_json_value *o = v->first; o; o = o->next) {
        bool *to = strcmp(o->key, "include_usage") == 0            ? &r->request->include_usage
                   : strcmp(o->key, "continuous_usage_stats") == 0 ? &r->request->continuous_usage
                                                                   : NULL;
        char shown[CN_SHOW_BYTES];
        if (!to)
            return REFUSE(r, NULL, "%s: unknown option \"%s\"", r->name,
                          cn_str_show((struct cn_str){ o->key, o->n_key }, shown, sizeof shown));
        if (!take_bool(r, o, to))
            return false;
    }
    return true;
}

/* ---- how it is chosen ------------------------------------------------------------------------ */

static bool take_temperature(struct reader *r, const struct cn_json_value *v)
{
    return take_number(r, v, 0, 100, &r->request->temperature);
}

static bool take_top_p(struct reader *r, const struct cn_json_value *v)
{
    return take_number(r, v, 0, 1, &r->request->top_p);
}

static bool take_min_p(struct reader *r, const struct cn_json_value *v)
{
    return take_number(r, v, 0, 1, &r->request->min_p);
}

static bool take_top_k(struct reader *r, const struct cn_json_value *v)
{
    return take_int(r, v, -1, INT32_MAX, &r->request->top_k);
}

static bool take_repeat_penalty(struct reader *r, const struct cn_json_value *v)
{
    return take_number(r, v, 1e-3, 1e3, &r->request->repeat_penalty);
}

static bool take_seed(struct reader *r, const struct cn_json_value *v)
{
    double seed = 0;
    if (!take_whole(r, v, -9e15, 9e15, &seed))
        return false;
    r->request->has_seed = true;
    r->request->seed = (uint64_t)(int64_t)seed;
    return true;
}

static bool take_ignore_eos(struct reader *r, const struct cn_json_value *v)
{
    return take_bool(r, v, &r->request->ignore_eos);
}

/* {"50256": -100}: an id as a string, and what is added to its logit; -100 forbids it. */
static bool take_logit_bias(struct reader *r, const struct cn_json_value *v)
{
    if (!is(v, CN_JSON_OBJECT))
        return expected(r, "an object", v);
    r->request->bias = malloc((v->n_children + 1) * sizeof *r->request->bias);
    if (!r->request->bias)
        return cn_refuse(r->refusal, 500, NULL, r->name, "out of memory");
    for (const struct cn_json_value *b = v->first; b; b = b->next) {
        char *end;
        const long id = strtol(b->key, &end, 10);
        double bias = 0;
        if (b->n_key == 0 || *end || id < 0 || id > INT32_MAX)
            return REFUSE(r, NULL, "%s: keys are token ids", r->name);
        if (!take_number(r, b, -100, 100, &bias))
            return false;
        r->request->bias[r->request->n_bias++] =
            (struct cn_logit_bias){ (int32_t)id, bias <= -100 ? -INFINITY : (float)bias };
    }
    return true;
}

/* ---- what is not done ------------------------------------------------------------------------ */

static bool ignore(struct reader *r, const struct cn_json_value *v)
{
    (void)r;
    (void)v;
    return true;
}

/* What changes nothing while it is 0, "" or false. */
static bool only_nothing(struct reader *r, const struct cn_json_value *v)
{
    if ((v->type == CN_JSON_NUMBER && v->number == 0) || (v->type == CN_JSON_BOOL && !v->boolean) ||
        (v->type == CN_JSON_STRING && !v->n_string))
        return true;
    return REFUSE(r, "unsupported", "%s is not supported", r->name);
}

static bool take_response_format(struct reader *r, const struct cn_json_value *v)
{
    const struct cn_json_value *type = cn_json_get(v, "type");
    char shown[CN_SHOW_BYTES];
    if (!is(type, CN_JSON_STRING))
        return REFUSE(r, NULL, "%s: an object with a \"type\" expected", r->name);
    if (strcmp(type->string, "text") == 0)
        return true;
    cn_str_show((struct cn_str){ type->string, type->n_string }, shown, sizeof shown);
    return REFUSE(r, "unsupported",
                  "%s: \"%s\" is not supported: answers are not held to a grammar or a schema",
                  r->name, shown);
}

enum { C = 1 << CN_REQUEST_COMPLETION, H = 1 << CN_REQUEST_CHAT, BOTH = C | H };

/* clang-format off */
static const struct field {
    const char *name;
    unsigned kinds;
    take_fn *take;
} fields[] = {
    { "model", BOTH, take_model },
    { "prompt", C, take_prompt },
    { "messages", H, take_messages },
    { "tools", H, take_tools },
    { "tool_choice", H, take_tool_choice },
    { "parallel_tool_calls", H, take_parallel },
    { "chat_template_kwargs", H, take_template_arguments },
    { "reasoning_effort", H, take_effort },
    { "max_tokens", BOTH, take_max_tokens },
    { "max_completion_tokens", H, take_max_tokens },
    { "n", BOTH, take_n },
    { "best_of", C, take_best_of },
    { "stop", BOTH, take_stop },
    { "echo", C, take_echo },
    { "logprobs", BOTH, take_logprobs },
    { "top_logprobs", H, take_top_logprobs },
    { "stream", BOTH, take_stream },
    { "stream_options", BOTH, take_stream_options },
    { "temperature", BOTH, take_temperature },
    { "top_p", BOTH, take_top_p },
    { "top_k", BOTH, take_top_k },
    { "min_p", BOTH, take_min_p },
    { "repeat_penalty", BOTH, take_repeat_penalty },
    { "seed", BOTH, take_seed },
    { "logit_bias", BOTH, take_logit_bias },
    { "ignore_eos", BOTH, take_ignore_eos },
    { "response_format", BOTH, take_response_format },
    { "suffix", C, only_nothing },
    { "presence_penalty", BOTH, only_nothing },
    { "frequency_penalty", BOTH, only_nothing },
    { "functions", H, only_nothing },
    { "function_call", H, only_nothing },
    { "audio", H, only_nothing },
    { "prediction", H, only_nothing },
    { "web_search_options", H, only_nothing },
    /* Of no consequence for an answer. */
    { "user", BOTH, ignore },
    { "metadata", BOTH, ignore },
    { "store", BOTH, ignore },
    { "service_tier", BOTH, ignore },
    { "safety_identifier", BOTH, ignore },
    { "prompt_cache_key", BOTH, ignore },
};
/* clang-format on */

enum { N_FIELDS = sizeof fields / sizeof *fields };

/* Whether every member of the object is a field of this kind of request, and there once. */
static bool know_all(struct reader *r, const struct cn_json_value *object)
{
    for (const struct cn_json_value *m = object->first; m; m = m->next) {
        size_t i = 0;
        while (i < N_FIELDS &&
               (strcmp(fields[i].name, m->key) != 0 || !(fields[i].kinds & 1u << r->request->kind)))
            i++;
        char shown[CN_SHOW_BYTES];
        cn_str_show((struct cn_str){ m->key, m->n_key }, shown, sizeof shown);
        if (i == N_FIELDS)
            return cn_refuse(r->refusal, 400, "unknown_parameter", shown, "unknown field \"%s\"",
                             shown);
        if (cn_json_get(object, m->key) != m)
            return cn_refuse(r->refusal, 400, NULL, shown, "\"%s\" is there twice", shown);
    }
    return true;
}

bool cn_request_parse(enum cn_request_kind kind, const char *body, size_t n,
                      struct cn_request *request, struct cn_refusal *refusal)
{
    struct cn_error err = { "" };
    struct reader r = { .request = request, .refusal = refusal, .body = body };
    *request = (struct cn_request){ .kind = kind,
                                    .max_tokens = kind == CN_REQUEST_COMPLETION ? 16 : -1,
                                    .n_choices = 1,
                                    .n_logprobs = -1,
                                    .temperature = 1,
                                    .top_p = 1,
                                    .repeat_penalty = 1 };
    if (cn_json_parse(body, n, "body", &request->json, &err) != CN_OK)
        return cn_refuse(refusal, 400, NULL, "", "%s", err.text);
    const struct cn_json_value *root = cn_json_root(request->json);
    if (root->type != CN_JSON_OBJECT)
        return cn_refuse(refusal, 400, NULL, "", "body: an object expected, %s found",
                         cn_json_type_name(root->type));
    if (!know_all(&r, root))
        return false;
    for (size_t i = 0; i < N_FIELDS; i++) {
        const struct cn_json_value *value = cn_json_get(root, fields[i].name);
        r.name = fields[i].name;
        if (value && !is(value, CN_JSON_NULL) && fields[i].kinds & 1u << kind &&
            !fields[i].take(&r, value))
            return false;
    }
    const char *need = kind == CN_REQUEST_CHAT ? "messages" : "prompt";
    const struct cn_json_value *needed = cn_json_get(root, need);
    if (!needed || is(needed, CN_JSON_NULL))
        return cn_refuse(refusal, 400, NULL, need, "\"%s\" is missing", need);
    return true;
}

void cn_request_free(struct cn_request *request)
{
    for (size_t i = 0; i < request->n_prompts; i++)
        free(request->prompts[i].ids);
    for (size_t i = 0; i < request->n_arguments; i++)
        free(request->arguments[i]);
    free(request->prompts);
    free(request->messages);
    free(request->tools);
    free(request->bias);
    cn_json_free(request->json);
    *request = (struct cn_request){ 0 };
}

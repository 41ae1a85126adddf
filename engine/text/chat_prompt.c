/* SPDX-License-Identifier: MIT
 *
 * Conversations as prompts: which template, what it is given, and its text as tokens.
 */
#include "base/error.h"
#include "base/json.h"
#include "engine/jinja/jinja.h"
#include "engine/model/model.h"
#include "engine/text/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGUMENTS = 64, N_TOKEN_NAMES = 6 };

struct cn_chat {
    const struct cn_model *model;        /* or NULL */
    const struct cn_chat_family *family; /* or NULL: `jinja` */
    struct cn_jinja *jinja;
    struct cn_json *tools;                    /* or NULL */
    struct cn_json *arguments[MAX_ARGUMENTS]; /* [n_arguments] */
    char *names[MAX_ARGUMENTS];
    size_t n_arguments;
    struct cn_json_value special[N_TOKEN_NAMES]; /* texts of special tokens; n_string 0: none */
    struct tm now;
    bool has_now;
    int32_t end; /* the token that the template writes behind an answer; -1: not known */
};

/* ---- special tokens -------------------------------------------------------------------------- */

/* The names that templates know, and where a file has the id. */
static const struct {
    const char *name, *key;
} token_names[N_TOKEN_NAMES] = {
    {"bos_token",   "tokenizer.ggml.bos_token_id"      },
    { "eos_token",  "tokenizer.ggml.eos_token_id"      },
    { "unk_token",  "tokenizer.ggml.unknown_token_id"  },
    { "sep_token",  "tokenizer.ggml.seperator_token_id"}, /* as files spell it */
    { "pad_token",  "tokenizer.ggml.padding_token_id"  },
    { "mask_token", "tokenizer.ggml.mask_token_id"     },
};

/* BOS and EOS may be known without their keys; the others have none then. */
static int32_t special_id(const struct cn_model *model, size_t i)
{
    int64_t id = i == 0   ? cn_tokenizer_bos(model->tokenizer)
                 : i == 1 ? cn_tokenizer_eos(model->tokenizer)
                          : -1;
    if (i > 1 &&
        cn_gguf_get_i64(&model->gguf, token_names[i].key, -1, INT32_MAX, &id, NULL) != CN_OK)
        return -1;
    return (int32_t)id;
}

static struct cn_json_value json_text(const char *p, size_t n)
{
    return (struct cn_json_value){ .type = CN_JSON_STRING, .string = p, .n_string = n };
}

static void find_special(struct cn_chat *chat)
{
    for (size_t i = 0; chat->model && i < N_TOKEN_NAMES; i++) {
        size_t n;
        int32_t id = special_id(chat->model, i);
        const char *text = cn_tokenizer_bytes(chat->model->tokenizer, id, true, &n);
        chat->special[i] = json_text(text, n);
    }
}

/* ---- options --------------------------------------------------------------------------------- */

/* Whether a variable is the text of a special token, which is the template's own word. */
static bool names_token(const char *name)
{
    size_t n = strlen(name);
    return (n > 6 && strcmp(name + n - 6, "_token") == 0) ||
           strcmp(name, "additional_special_tokens") == 0;
}

static enum cn_status take_argument(struct cn_chat *chat, const char *argument,
                                    struct cn_error *err)
{
    const char *equals = strchr(argument, '=');
    CN_RETURN_IF(!equals || equals == argument, CN_ERR_ARGUMENT, err,
                 "argument of the chat template: NAME=JSON expected, found \"%.60s\"", argument);
    CN_RETURN_IF(chat->n_arguments == MAX_ARGUMENTS, CN_ERR_ARGUMENT, err,
                 "more than %d arguments of the chat template", MAX_ARGUMENTS);
    char *name = strndup(argument, (size_t)(equals - argument));
    CN_RETURN_IF(!name, CN_ERR_MEMORY, err, "no memory for an argument");
    enum cn_status status = cn_json_parse(equals + 1, strlen(equals + 1), name,
                                          &chat->arguments[chat->n_arguments], err);
    if (status == CN_OK)
        chat->names[chat->n_arguments++] = name;
    else
        free(name);
    return status;
}

/* "2026-11-29T13:05:09" */
static enum cn_status take_time(struct cn_chat *chat, const char *text, struct cn_error *err)
{
    struct tm t = { 0 }, made;
    int n = 0;
    bool ok = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday,
                     &t.tm_hour, &t.tm_min, &t.tm_sec, &n) == 6 &&
              text[n] == '\0' && t.tm_year >= 1;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    made = t;
    ok = ok && (timegm(&made) != -1 || made.tm_year == 69) && made.tm_mday == t.tm_mday &&
         made.tm_mon == t.tm_mon && made.tm_hour == t.tm_hour && made.tm_min == t.tm_min &&
         made.tm_sec == t.tm_sec;
    CN_RETURN_IF(
        !ok, CN_ERR_ARGUMENT, err,
        "time of the chat template: expected one like 2026-11-29T13:05:09, found \"%.40s\"", text);
    chat->now = made; /* with the day of the week and of the year */
    chat->has_now = true;
    return CN_OK;
}

/* The template in the model's file; that for tools if there are any. */
static struct cn_str file_template(const struct cn_model *model, bool tools)
{
    struct cn_str text = { 0 };
    if (tools &&
        cn_gguf_get_str(&model->gguf, "tokenizer.chat_template.tool_use", &text, NULL) == CN_OK &&
        text.n > 0)
        return text;
    return cn_tokenizer_chat_template(model->tokenizer);
}

static enum cn_status choose_template(struct cn_chat *chat, const struct cn_chat_options *o,
                                      struct cn_error *err)
{
    char names[320];
    if (o->template_text)
        return cn_jinja_compile((struct cn_str){ o->template_text, o->n_template_text },
                                &chat->jinja, err);
    if (o->template_name) {
        chat->family = cn_chat_family_named(o->template_name);
        CN_RETURN_IF(!chat->family, CN_ERR_ARGUMENT, err,
                     "no chat template is called \"%.64s\"; there are %s", o->template_name,
                     cn_chat_family_names(names, sizeof names));
        return CN_OK;
    }
    struct cn_str text = { 0 };
    if (chat->model)
        text = file_template(chat->model, o->tools != NULL);
    CN_RETURN_IF(text.n == 0, CN_ERR_UNSUPPORTED, err,
                 "the model has no chat template; name one of %s",
                 cn_chat_family_names(names, sizeof names));
    return cn_jinja_compile(text, &chat->jinja, err);
}

/* ---- messages as the template sees them ------------------------------------------------------ */

/* All that one rendering gives to the template. */
struct given {
    struct cn_json **docs;          /* [n_messages] of messages that are JSON, or NULL */
    struct cn_json_value *messages; /* [n_messages] */
    struct cn_json_value *members;  /* [3 n_messages] of the others */
    size_t n_messages;
    struct cn_jinja_variable variables[N_TOKEN_NAMES + MAX_ARGUMENTS + 8];
    size_t n_variables;
};

static void give(struct given *g, const char *name, const struct cn_json_value *value, bool trusted)
{
    g->variables[g->n_variables++] =
        (struct cn_jinja_variable){ .name = name, .value = value, .trusted = trusted };
}

static void free_given(struct given *g)
{
    for (size_t i = 0; g->docs && i < g->n_messages; i++)
        cn_json_free(g->docs[i]);
    free(g->docs);
    free(g->messages);
    free(g->members);
}

/* role, content and reasoning as an object of three members. */
static void link_message(const struct cn_chat_message *m, struct cn_json_value *object,
                         struct cn_json_value *members)
{
    const struct cn_json_value none = { .type = CN_JSON_NULL };
    members[0] = json_text(m->role, strlen(m->role));
    members[1] = m->content ? json_text(m->content, m->n_content) : none;
    members[2] = m->reasoning ? json_text(m->reasoning, m->n_reasoning) : none;
    static const char *const keys[] = { "role", "content", "reasoning_content" };
    size_t n = m->reasoning ? 3 : 2;
    for (size_t i = 0; i < n; i++) {
        members[i].key = keys[i];
        members[i].n_key = strlen(keys[i]);
        members[i].next = i + 1 < n ? &members[i + 1] : NULL;
    }
    *object = (struct cn_json_value){ .type = CN_JSON_OBJECT, .first = members, .n_children = n };
}

static enum cn_status link_messages(struct given *g, const struct cn_chat_message *messages,
                                    size_t n, struct cn_error *err)
{
    g->n_messages = n;
    g->docs = calloc(n + 1, sizeof *g->docs);
    g->messages = calloc(n + 1, sizeof *g->messages);
    g->members = calloc(3 * n + 1, sizeof *g->members);
    CN_RETURN_IF(!g->docs || !g->messages || !g->members, CN_ERR_MEMORY, err,
                 "no memory for a conversation of %zu messages", n);
    for (size_t i = 0; i < n; i++) {
        char name[48];
        if (!messages[i].json) {
            link_message(&messages[i], &g->messages[i], &g->members[3 * i]);
        } else {
            snprintf(name, sizeof name, "message %zu", i + 1);
            CN_TRY(cn_json_parse(messages[i].json, messages[i].n_json, name, &g->docs[i], err));
            g->messages[i] = *cn_json_root(g->docs[i]);
        }
        g->messages[i].next = i + 1 < n ? &g->messages[i + 1] : NULL;
    }
    return CN_OK;
}

static enum cn_status render_jinja(const struct cn_chat *chat,
                                   const struct cn_chat_message *messages, size_t n_messages,
                                   bool generation_prompt, struct cn_chat_text *out,
                                   struct cn_error *err)
{
    struct given g = { 0 };
    struct cn_jinja_text text;
    const struct cn_json_value none = { .type = CN_JSON_NULL };
    const struct cn_json_value prompt = { .type = CN_JSON_BOOL, .boolean = generation_prompt };
    enum cn_status status = link_messages(&g, messages, n_messages, err);
    const struct cn_json_value list = { .type = CN_JSON_ARRAY,
                                        .first = n_messages ? g.messages : NULL,
                                        .n_children = n_messages };
    if (status == CN_OK) {
        for (size_t i = 0; i < N_TOKEN_NAMES; i++)
            give(&g, token_names[i].name, chat->special[i].n_string ? &chat->special[i] : NULL,
                 true);
        give(&g, "tools", chat->tools ? cn_json_root(chat->tools) : &none, false);
        give(&g, "documents", &none, false);
        give(&g, "add_generation_prompt", &prompt, true);
        give(&g, "messages", &list, false);
        g.variables[g.n_variables - 1].messages = true;
        for (size_t i = 0; i < chat->n_arguments; i++)
            give(&g, chat->names[i], cn_json_root(chat->arguments[i]), names_token(chat->names[i]));
        const struct cn_jinja_options options = { g.variables, g.n_variables,
                                                  chat->has_now ? &chat->now : NULL };
        status = cn_jinja_render(chat->jinja, &options, &text, err);
    }
    free_given(&g);
    if (status == CN_OK)
        *out = (struct cn_chat_text){ text.text, text.n, text.spans, text.n_spans };
    return status;
}

static enum cn_status render(const struct cn_chat *chat, const struct cn_chat_message *messages,
                             size_t n_messages, bool generation_prompt, struct cn_chat_text *out,
                             struct cn_error *err)
{
    if (!chat->family)
        return render_jinja(chat, messages, n_messages, generation_prompt, out, err);
    const struct cn_json_value *eos = &chat->special[1];
    return cn_chat_render(chat->family, (struct cn_str){ eos->string, eos->n_string }, messages,
                          n_messages, generation_prompt, out, err);
}

static enum cn_status tokenise(const struct cn_chat *chat, const struct cn_chat_text *text,
                               int32_t **tokens, size_t *n_tokens, struct cn_error *err)
{
    const struct cn_tokenizer *tokenizer = chat->model->tokenizer;
    CN_TRY(cn_tokenizer_encode_spans(tokenizer, text->text, text->spans, text->n_spans,
                                     CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT, tokens, n_tokens, err));
    /* The file's BOS and the template's are one. */
    int32_t *ids = *tokens, bos = cn_tokenizer_bos(tokenizer);
    if (*n_tokens > 1 && bos >= 0 && ids[0] == bos && ids[1] == bos &&
        cn_tokenizer_add_bos(tokenizer)) {
        memmove(ids, ids + 1, (*n_tokens - 1) * sizeof *ids);
        --*n_tokens;
    }
    return CN_OK;
}

/* ---- what ends an answer --------------------------------------------------------------------- */

/* The token that stands right behind an answer in a conversation that goes on. A template that
 * refuses such a conversation leaves it to the file's keys. */
static int32_t find_end(const struct cn_chat *chat)
{
    static const char answer[] = "An answer";
    const struct cn_chat_message talk[] = {
        {.role = "user",       .content = "A question",  .n_content = 10               },
        { .role = "assistant", .content = answer,        .n_content = sizeof answer - 1},
        { .role = "user",      .content = "Another one", .n_content = 11               },
    };
    struct cn_chat_text text;
    int32_t *ids = NULL, end = -1;
    size_t n = 0;
    if (render(chat, talk, 3, false, &text, NULL) != CN_OK)
        return -1;
    char *found = memmem(text.text, text.n, answer, sizeof answer - 1);
    size_t from = found ? (size_t)(found - text.text) + sizeof answer - 1 : text.n, at = 0;
    for (size_t i = 0; i < text.n_spans; at += text.spans[i++].n) {
        if (at < from || !text.spans[i].markup || end >= 0)
            continue;
        const struct cn_text_span rest = { text.spans[i].n, true };
        if (at == from && cn_tokenizer_encode_spans(chat->model->tokenizer, text.text + at, &rest,
                                                    1, 0, &ids, &n, NULL) == CN_OK) {
            if (n > 0 && cn_tokenizer_is_control(chat->model->tokenizer, ids[0]))
                end = ids[0];
            free(ids);
        }
        break;
    }
    cn_chat_text_free(&text);
    return end;
}

bool cn_chat_is_end(const struct cn_chat *chat, int32_t token)
{
    return (token >= 0 && token == chat->end) ||
           (chat->model && cn_tokenizer_is_end(chat->model->tokenizer, token));
}

/* ---- thinking -------------------------------------------------------------------------------- */

struct cn_chat_thinking cn_chat_thinking_of(const struct cn_chat *chat)
{
    static const struct {
        const char *open, *close;
    } marks[] = {
        {"<think>",               "</think>"          },
        { "<seed:think>",         "</seed:think>"     },
        { "[THINK]",              "[/THINK]"          },
        { "<|START_THINKING|>",   "<|END_THINKING|>"  },
        { "<|inner_prefix|>",     "<|inner_suffix|>"  },
        { "<|begin_of_thought|>", "<|end_of_thought|>"},
        { "<thinking>",           "</thinking>"       },
    };
    struct cn_chat_thinking none = { NULL, NULL, false };
    for (size_t i = 0; chat->jinja && i < sizeof marks / sizeof *marks; i++)
        if (cn_jinja_mentions(chat->jinja, marks[i].close))
            return (struct cn_chat_thinking){ marks[i].open, marks[i].close,
                                              cn_jinja_mentions(chat->jinja, "reasoning_content") };
    return none;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum cn_status set_up(struct cn_chat *chat, const struct cn_chat_options *o,
                             struct cn_error *err)
{
    CN_RETURN_IF(o->template_name && (o->template_text || o->tools || o->n_arguments),
                 CN_ERR_ARGUMENT, err, "a built-in chat template takes no tools and no arguments");
    CN_TRY(choose_template(chat, o, err));
    find_special(chat);
    if (o->tools)
        CN_TRY(cn_json_parse(o->tools, o->n_tools, "tools", &chat->tools, err));
    CN_RETURN_IF(chat->tools && cn_json_root(chat->tools)->type != CN_JSON_ARRAY, CN_ERR_ARGUMENT,
                 err, "tools: expected an array, found %s",
                 cn_json_type_name(cn_json_root(chat->tools)->type));
    for (size_t i = 0; i < o->n_arguments; i++)
        CN_TRY(take_argument(chat, o->arguments[i], err));
    if (o->time)
        CN_TRY(take_time(chat, o->time, err));
    chat->end = chat->model ? find_end(chat) : -1;
    return CN_OK;
}

enum cn_status cn_chat_create(const struct cn_model *model, const struct cn_chat_options *options,
                              struct cn_chat **chat, struct cn_error *err)
{
    static const struct cn_chat_options none = { 0 };
    struct cn_chat *made = calloc(1, sizeof *made);
    CN_RETURN_IF(!made, CN_ERR_MEMORY, err, "chat: no memory");
    made->model = model;
    enum cn_status status = set_up(made, options ? options : &none, err);
    if (status == CN_OK)
        *chat = made;
    else
        cn_chat_free(made);
    return status;
}

void cn_chat_free(struct cn_chat *chat)
{
    if (!chat)
        return;
    for (size_t i = 0; i < chat->n_arguments; i++) {
        cn_json_free(chat->arguments[i]);
        free(chat->names[i]);
    }
    cn_json_free(chat->tools);
    cn_jinja_free(chat->jinja);
    free(chat);
}

bool cn_chat_has_template(const struct cn_model *model)
{
    return cn_tokenizer_chat_template(model->tokenizer).n > 0;
}

enum cn_status cn_chat_text(const struct cn_chat *chat, const struct cn_chat_message *messages,
                            size_t n_messages, bool generation_prompt, char **text, size_t *n_bytes,
                            struct cn_error *err)
{
    struct cn_chat_text out;
    CN_TRY(render(chat, messages, n_messages, generation_prompt, &out, err));
    *text = out.text;
    *n_bytes = out.n;
    free(out.spans);
    return CN_OK;
}

enum cn_status cn_chat_tokens(const struct cn_chat *chat, const struct cn_chat_message *messages,
                              size_t n_messages, bool generation_prompt, int32_t **tokens,
                              size_t *n_tokens, struct cn_error *err)
{
    struct cn_chat_text out;
    CN_RETURN_IF(!chat->model, CN_ERR_ARGUMENT, err, "a chat without a model has no tokens");
    CN_TRY(render(chat, messages, n_messages, generation_prompt, &out, err));
    enum cn_status status = tokenise(chat, &out, tokens, n_tokens, err);
    cn_chat_text_free(&out);
    return status;
}

/* SPDX-License-Identifier: MIT
 *
 * The families are those of the published templates of the models, in the form the reference engine
 * writes them. Recognition goes by marks, because the texts of templates differ from file to file
 * while the marks are what a model was trained on.
 */
#include "engine/text/chat.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum role { SYSTEM, USER, ASSISTANT, N_ROLES };

static const char *const role_names[N_ROLES] = { "system", "user", "assistant" };

enum {
    TRIM = 1,              /* white space around every message is dropped */
    TRIM_REPLY = 2,        /* around those of the assistant */
    SYSTEM_JOINS_USER = 4, /* no system role: its text opens the next message of the user */
    OPEN_END = 8,          /* a reply at the very end is not followed by a newline */
};

/* "{eos}" in a string stands for the text of the model's EOS token. */
struct cn_chat_template {
    const char *name;
    const char *turn; /* in front of what comes first, or first after a reply; NULL: nothing */
    const char *later_turn; /* the same after a reply, if it differs */
    struct {
        const char *before, *after;
    } role[N_ROLES];
    const char *generation; /* invites the assistant */
    const char *default_system;
    const char *eos;
    unsigned flags;
};

/* Families in which every message has the same form. */
#define TURNS(open, assistant, middle, close) \
    .role = { { open "system" middle, close },                                                     \
              { open "user" middle, close },                                                       \
              { open assistant middle, close } },                                                  \
    .generation = open assistant middle

/* clang-format off */
static const struct cn_chat_template families[] = {
    { "chatml", TURNS("<|im_start|>", "assistant", "\n", "<|im_end|>\n") },
    { "qwen2", TURNS("<|im_start|>", "assistant", "\n", "<|im_end|>\n"),
      .default_system = "You are a helpful assistant." },
    { "phi4", TURNS("<|im_start|>", "assistant", "<|im_sep|>", "<|im_end|>") },
    { "llama3", TURNS("<|start_header_id|>", "assistant", "<|end_header_id|>\n\n", "<|eot_id|>"),
      .flags = TRIM },
    { "gemma", TURNS("<start_of_turn>", "model", "\n", "<end_of_turn>\n"),
      .flags = TRIM | SYSTEM_JOINS_USER },
    { "phi3", TURNS("<|", "assistant", "|>\n", "<|end|>\n") },
    { "zephyr", TURNS("<|", "assistant", "|>\n", "<|endoftext|>\n") },
    { "zephyr-eos", TURNS("<|", "assistant", "|>\n", "{eos}\n"), .eos = "</s>" },
    { "granite",
      .role = { { "<|start_of_role|>system<|end_of_role|>", "<|end_of_text|>\n" },
                { "<|start_of_role|>user<|end_of_role|>", "<|end_of_text|>\n" },
                { "<|start_of_role|>assistant<|end_of_role|>", "<|end_of_text|>\n" } },
      .generation = "<|start_of_role|>assistant<|end_of_role|>\n" },
    { "olmoe",
      .role = { { "<|system|>\n", "\n" }, { "<|user|>\n", "\n" }, { "<|assistant|>\n", "{eos}\n" } },
      .generation = "<|assistant|>\n", .eos = "<|endoftext|>", .flags = OPEN_END },
    { "mistral-v1", .turn = " [INST] ",
      .role = { { "", "\n\n" }, { "", " [/INST]" }, { " ", "</s>" } } },
    { "mistral-v3", .turn = "[INST] ",
      .role = { { "", "\n\n" }, { "", "[/INST]" }, { " ", "</s>" } }, .flags = TRIM_REPLY },
    { "mistral-v3-tekken", .turn = "[INST]",
      .role = { { "", "\n\n" }, { "", "[/INST]" }, { "", "</s>" } } },
    { "mistral-v7",
      .role = { { "[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]" }, { "[INST] ", "[/INST]" },
                { " ", "</s>" } } },
    { "llama2", .turn = "[INST] ",
      .role = { { "", "\n" }, { "", " [/INST]" }, { "", "</s>" } } },
    { "llama2-sys", .turn = "[INST] ",
      .role = { { "<<SYS>>\n", "\n<</SYS>>\n\n" }, { "", " [/INST]" }, { "", "</s>" } } },
    { "llama2-sys-bos", .turn = "[INST] ", .later_turn = "<s>[INST] ",
      .role = { { "<<SYS>>\n", "\n<</SYS>>\n\n" }, { "", " [/INST]" }, { "", "</s>" } } },
    { "llama2-sys-strip", .turn = "[INST] ",
      .role = { { "<<SYS>>\n", "\n<</SYS>>\n\n" }, { "", " [/INST]" }, { "", "</s>" } },
      .flags = TRIM },
};
/* clang-format on */

enum { N_FAMILIES = sizeof families / sizeof *families };

const char *cn_chat_template_name(size_t i)
{
    return i < N_FAMILIES ? families[i].name : NULL;
}

/* ---- choosing -----------------------------------------------------------------------------------
 */

static struct cn_str str(const char *text)
{
    return (struct cn_str){ text, text ? strlen(text) : 0 };
}

bool cn_chat_style_named(const char *name, struct cn_chat_style *style)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (strcmp(families[i].name, name) != 0)
            continue;
        style->family = &families[i];
        style->default_system = str(families[i].default_system);
        style->eos = str(families[i].eos);
        return true;
    }
    return false;
}

const char *cn_chat_style_name(const struct cn_chat_style *style)
{
    return style->family->name;
}

static const char *find(struct cn_str text, const char *mark)
{
    return memmem(text.p, text.n, mark, strlen(mark));
}

/* A fixed system text that a ChatML template writes where a conversation has none: the literal
 * '<|im_start|>system\n...<|im_end|>'. Anything that is computed ends the literal with a quote. */
static struct cn_str literal_system(struct cn_str jinja)
{
    static const char open[] = "<|im_start|>system", close[] = "<|im_end|>";
    const char *end = jinja.p + jinja.n, *p;
    while ((p = find(jinja, open)) != NULL) {
        p += sizeof open - 1;
        jinja = (struct cn_str){ p, (size_t)(end - p) };
        if (jinja.n > 0 && *p == '\n')
            p += 1;
        else if (jinja.n > 1 && p[0] == '\\' && p[1] == 'n')
            p += 2;
        else
            continue;
        const char *stop = find((struct cn_str){ p, (size_t)(end - p) }, close);
        if (!stop)
            break;
        size_t n = (size_t)(stop - p), k = 0;
        while (k < n && !strchr("'\"{}\\", p[k]))
            k++;
        if (n > 0 && k == n)
            return (struct cn_str){ p, n };
    }
    return (struct cn_str){ NULL, 0 };
}

/* [INST] is written by Mistral's and Llama 2's templates; blanks around it tell the versions. */
static const char *inst_family(struct cn_str jinja)
{
    if (find(jinja, "[SYSTEM_PROMPT]"))
        return "mistral-v7";
    if (find(jinja, "' [INST] ' + system_message") || find(jinja, "[AVAILABLE_TOOLS]")) {
        if (find(jinja, " [INST]"))
            return "mistral-v1";
        return find(jinja, "\"[INST]\"") ? "mistral-v3-tekken" : "mistral-v3";
    }
    if (find(jinja, "content.strip()"))
        return "llama2-sys-strip";
    if (find(jinja, "bos_token + '[INST]"))
        return "llama2-sys-bos";
    return find(jinja, "<<SYS>>") ? "llama2-sys" : "llama2";
}

/* <|user|> without <|end|>: the same marks, with EOS behind every message or behind replies only.
 */
static const char *user_family(struct cn_str jinja, const char *user)
{
    if (find(jinja, "<|endoftext|>"))
        return "zephyr";
    struct cn_str rest = { user, (size_t)(jinja.p + jinja.n - user) };
    const char *stop = find(rest, "}}");
    struct cn_str expression = { user, stop ? (size_t)(stop - user) : rest.n };
    return find(expression, "eos_token") ? "zephyr-eos" : "olmoe";
}

static const char *family_of(struct cn_str jinja)
{
    if (find(jinja, "<|im_start|>")) {
        if (find(jinja, "<|im_sep|>"))
            return "phi4";
        return literal_system(jinja).n > 0 ? "qwen2" : "chatml";
    }
    if (find(jinja, "[INST]"))
        return inst_family(jinja);
    if (find(jinja, "<|assistant|>") && find(jinja, "<|end|>"))
        return "phi3";
    const char *user = find(jinja, "<|user|>");
    if (user)
        return user_family(jinja, user);
    if (find(jinja, "<start_of_turn>"))
        return "gemma";
    if (find(jinja, "<|start_header_id|>") && find(jinja, "<|end_header_id|>"))
        return "llama3";
    return find(jinja, "<|start_of_role|>") ? "granite" : NULL;
}

bool cn_chat_style_detect(struct cn_str jinja, struct cn_chat_style *style)
{
    const char *name = jinja.n > 0 ? family_of(jinja) : NULL;
    if (!name || !cn_chat_style_named(name, style))
        return false;
    if (style->default_system.n > 0)
        style->default_system = literal_system(jinja);
    return true;
}

/* "a, b, c" */
static const char *all_names(char *out, size_t n_out)
{
    size_t n = 0;
    for (size_t i = 0; i < N_FAMILIES && n < n_out; i++)
        n += (size_t)snprintf(out + n, n_out - n, "%s%s", i ? ", " : "", families[i].name);
    return out;
}

enum cn_status cn_chat_style_choose(const struct cn_tokenizer *tokenizer, const char *name,
                                    struct cn_chat_style *style, struct cn_error *err)
{
    struct cn_chat_style found;
    char names[320];
    if (name) {
        CN_RETURN_IF(!cn_chat_style_named(name, &found), CN_ERR_ARGUMENT, err,
                     "no chat template is called \"%.64s\"; there are %s", name,
                     all_names(names, sizeof names));
    } else {
        struct cn_str jinja = tokenizer ? cn_tokenizer_chat_template(tokenizer) : str(NULL);
        CN_RETURN_IF(jinja.n == 0, CN_ERR_UNSUPPORTED, err,
                     "the model has no chat template; name one of %s",
                     all_names(names, sizeof names));
        CN_RETURN_IF(!cn_chat_style_detect(jinja, &found), CN_ERR_UNSUPPORTED, err,
                     "the model's chat template is of no known family; name one of %s",
                     all_names(names, sizeof names));
    }
    int32_t eos = tokenizer ? cn_tokenizer_eos(tokenizer) : -1;
    if (eos >= 0)
        found.eos.p = cn_tokenizer_bytes(tokenizer, eos, true, &found.eos.n);
    *style = found;
    return CN_OK;
}

/* ---- rendering ----------------------------------------------------------------------------------
 */

struct builder {
    struct cn_chat_text out;
    size_t text_capacity, span_capacity;
    struct cn_str eos;
    bool failed;
};

static void put(struct builder *b, struct cn_str part, bool markup)
{
    if (part.n == 0 || b->failed)
        return;
    struct cn_chat_text *out = &b->out;
    if (part.n >= b->text_capacity - out->n) {
        size_t capacity = 2 * (out->n + part.n) + 256;
        char *text = part.n < SIZE_MAX / 4 - out->n ? realloc(out->text, capacity) : NULL;
        b->failed = !text;
        if (!text)
            return;
        out->text = text;
        b->text_capacity = capacity;
    }
    memcpy(out->text + out->n, part.p, part.n);
    out->n += part.n;
    if (out->n_spans > 0 && out->spans[out->n_spans - 1].markup == markup) {
        out->spans[out->n_spans - 1].n += part.n;
        return;
    }
    if (out->n_spans == b->span_capacity) {
        size_t capacity = 2 * b->span_capacity + 16;
        struct cn_text_span *spans = realloc(out->spans, capacity * sizeof *spans);
        b->failed = !spans;
        if (!spans)
            return;
        out->spans = spans;
        b->span_capacity = capacity;
    }
    out->spans[out->n_spans++] = (struct cn_text_span){ part.n, markup };
}

static void put_markup(struct builder *b, const char *text)
{
    static const char eos[] = "{eos}";
    struct cn_str rest = str(text);
    const char *mark = rest.n > 0 ? find(rest, eos) : NULL;
    if (mark) {
        put(b, (struct cn_str){ text, (size_t)(mark - text) }, true);
        put(b, b->eos, true);
        rest = str(mark + sizeof eos - 1);
    }
    put(b, rest, true);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct cn_str trimmed(struct cn_str text)
{
    while (text.n > 0 && is_blank(text.p[text.n - 1]))
        text.n--;
    while (text.n > 0 && is_blank(text.p[0])) {
        text.p++;
        text.n--;
    }
    return text;
}

static enum cn_status check_messages(const struct cn_chat_message *messages, size_t n,
                                     struct cn_error *err)
{
    for (size_t i = 0; i < n; i++) {
        enum role role = SYSTEM;
        while (role < N_ROLES && strcmp(messages[i].role, role_names[role]) != 0)
            role++;
        struct cn_str found = { messages[i].role, strlen(messages[i].role) };
        char shown[CN_SHOW_BYTES];
        CN_RETURN_IF(role == N_ROLES, CN_ERR_ARGUMENT, err,
                     "message %zu: expected the role system, user or assistant, found \"%s\"",
                     i + 1, cn_str_show(found, shown, sizeof shown));
    }
    return CN_OK;
}

static enum role role_of(const struct cn_chat_message *message)
{
    enum role role = SYSTEM;
    while (strcmp(message->role, role_names[role]) != 0)
        role++;
    return role;
}

static void render(struct builder *b, const struct cn_chat_style *style,
                   const struct cn_chat_message *messages, size_t n, bool generation_prompt)
{
    const struct cn_chat_template *f = style->family;
    struct cn_str pending = { NULL, 0 }; /* system text for the next message of the user */
    bool in_turn = false;
    if (style->default_system.n > 0 && n > 0 && role_of(&messages[0]) != SYSTEM) {
        put_markup(b, f->role[SYSTEM].before);
        put(b, style->default_system, true);
        put_markup(b, f->role[SYSTEM].after);
    }
    for (size_t i = 0; i < n; i++) {
        enum role role = role_of(&messages[i]);
        struct cn_str content = { messages[i].content, messages[i].n_content };
        if (f->flags & TRIM || (f->flags & TRIM_REPLY && role == ASSISTANT))
            content = trimmed(content);
        if (f->flags & SYSTEM_JOINS_USER && role == SYSTEM) {
            pending = content;
            continue;
        }
        if (f->turn && !in_turn)
            put_markup(b, i > 0 && f->later_turn ? f->later_turn : f->turn);
        in_turn = role != ASSISTANT;
        put_markup(b, f->role[role].before);
        if (pending.n > 0 && role == USER) {
            put(b, pending, false);
            put(b, str("\n\n"), true);
            pending.n = 0;
        }
        put(b, content, false);
        if (f->flags & OPEN_END && role == ASSISTANT && i + 1 == n)
            put_markup(b, "{eos}");
        else
            put_markup(b, f->role[role].after);
    }
    if (generation_prompt)
        put_markup(b, f->generation);
}

enum cn_status cn_chat_render(const struct cn_chat_style *style,
                              const struct cn_chat_message *messages, size_t n_messages,
                              bool generation_prompt, struct cn_chat_text *out,
                              struct cn_error *err)
{
    CN_TRY(check_messages(messages, n_messages, err));
    struct builder b = { .eos = style->eos };
    render(&b, style, messages, n_messages, generation_prompt);
    if (!b.failed && !b.out.text) /* nothing to say: still a string */
        b.failed = !(b.out.text = malloc(1));
    if (b.failed) {
        cn_chat_text_free(&b.out);
        return cn_fail(err, CN_ERR_MEMORY, "no memory for a conversation of %zu messages",
                       n_messages);
    }
    b.out.text[b.out.n] = '\0';
    *out = b.out;
    return CN_OK;
}

void cn_chat_text_free(struct cn_chat_text *text)
{
    free(text->text);
    free(text->spans);
    *text = (struct cn_chat_text){ 0 };
}

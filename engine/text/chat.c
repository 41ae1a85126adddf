/* SPDX-License-Identifier: MIT
 *
 * The families are those of the published templates of the models, in the form the reference engine
 * writes them.
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
struct cn_chat_family {
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
static const struct cn_chat_family families[] = {
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

static struct cn_str str(const char *text)
{
    return (struct cn_str){ text, text ? strlen(text) : 0 };
}

static const char *find(struct cn_str text, const char *mark)
{
    return memmem(text.p, text.n, mark, strlen(mark));
}

const struct cn_chat_family *cn_chat_family_named(const char *name)
{
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (strcmp(families[i].name, name) == 0)
            return &families[i];
    return NULL;
}

const char *cn_chat_family_names(char *out, size_t n_out)
{
    size_t n = 0;
    for (size_t i = 0; i < N_FAMILIES && n < n_out; i++)
        n += (size_t)snprintf(out + n, n_out - n, "%s%s", i ? ", " : "", families[i].name);
    return out;
}

/* ---- rendering ------------------------------------------------------------------------------- */

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
        CN_RETURN_IF(!messages[i].content, CN_ERR_ARGUMENT, err,
                     "message %zu: \"content\" expected, found none", i + 1);
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

static void render(struct builder *b, const struct cn_chat_family *f,
                   const struct cn_chat_message *messages, size_t n, bool generation_prompt)
{
    struct cn_str pending = { NULL, 0 }; /* system text for the next message of the user */
    bool in_turn = false;
    if (f->default_system && n > 0 && role_of(&messages[0]) != SYSTEM) {
        put_markup(b, f->role[SYSTEM].before);
        put_markup(b, f->default_system);
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

enum cn_status cn_chat_render(const struct cn_chat_family *family, struct cn_str eos,
                              const struct cn_chat_message *messages, size_t n_messages,
                              bool generation_prompt, struct cn_chat_text *out,
                              struct cn_error *err)
{
    CN_TRY(check_messages(messages, n_messages, err));
    struct builder b = { .eos = eos.n > 0 ? eos : str(family->eos) };
    render(&b, family, messages, n_messages, generation_prompt);
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

/* SPDX-License-Identifier: MIT */
#include "serve/speech.h"

#include "base/utf8.h"
#include "serve/span.h"

#include <string.h>

/* How many bytes at the end of text[n] may be the beginning of mark. */
static size_t may_begin(const char *text, size_t n, const char *mark, size_t n_mark)
{
    for (size_t k = n < n_mark ? n : n_mark - (n_mark > 0); k > 0; k--)
        if (memcmp(text + n - k, mark, k) == 0)
            return k;
    return 0;
}

static void move(struct cn_json_text *from, size_t n, struct cn_json_text *to)
{
    cn_json_text_add(to, from->p, n);
    cn_json_text_drop(from, n);
}

/* Calls without a mark are told by their brace, as the first of an answer. */
static bool call_begins(const struct cn_speech *s)
{
    size_t at = 0;
    for (size_t i = 0; i < s->content.n; i++)
        if (!cn_span_is_blank(s->content.p[i]))
            return false;
    while (at < s->held.n && cn_span_is_blank(s->held.p[at]))
        at++;
    return at < s->held.n && s->held.p[at] == '{';
}

/* Tells what can be told of what is held. */
static void release(struct cn_speech *s, bool end)
{
    const struct cn_request *r = s->request;
    struct cn_json_text *held = &s->held;
    size_t keep = 0, stop = SIZE_MAX;
    if (held->n == 0)
        return;
    if (s->calling) {
        move(held, held->n, &s->calls);
        return;
    }
    for (size_t i = 0; i < r->n_stops; i++) {
        const char *found = memmem(held->p, held->n, r->stops[i].p, r->stops[i].n);
        if (found && (size_t)(found - held->p) < stop)
            stop = (size_t)(found - held->p);
        const size_t begun = may_begin(held->p, held->n, r->stops[i].p, r->stops[i].n);
        keep = begun > keep ? begun : keep;
    }
    if (s->marks) {
        const size_t n_mark = strlen(s->marks->open);
        const char *found = n_mark ? memmem(held->p, held->n, s->marks->open, n_mark) : NULL;
        if ((found && (size_t)(found - held->p) < stop) || (!n_mark && call_begins(s))) {
            move(held, found ? (size_t)(found - held->p) : 0, &s->content);
            s->calling = true;
            move(held, held->n, &s->calls);
            return;
        }
        const size_t begun = may_begin(held->p, held->n, s->marks->open, n_mark);
        keep = begun > keep ? begun : keep;
    }
    if (stop != SIZE_MAX) {
        move(held, stop, &s->content);
        cn_json_text_drop(held, held->n);
        s->stopped = true;
        return;
    }
    size_t n = end ? held->n : held->n - keep;
    if (!end)
        n = cn_utf8_complete(held->p, n);
    move(held, n, &s->content);
}

static void put(void *user, bool reasoning, const char *text, size_t n)
{
    struct cn_speech *s = user;
    if (reasoning) {
        cn_json_text_add(&s->held_reasoning, text, n);
        if (s->held_reasoning.p)
            move(&s->held_reasoning, cn_utf8_complete(s->held_reasoning.p, s->held_reasoning.n),
                 &s->reasoning);
        return;
    }
    cn_json_text_add(&s->held, text, n);
}

void cn_speech_begin(struct cn_speech *s, const struct cn_model *model, const struct cn_chat *chat,
                     const struct cn_request *request, const struct cn_tool_marks *marks,
                     const int32_t *prompt, size_t n_prompt)
{
    *s = (struct cn_speech){
        .model = model,
        .request = request,
        .marks = marks,
        .chat = chat != NULL,
        .thinking = {.put = put, .user = s}
    };
    if (chat)
        cn_thinking_begin(&s->thinking, chat, model, prompt, n_prompt);
}

/* The text of an opening mark that is a control token, which has none otherwise. */
static bool is_mark(const struct cn_speech *s, int32_t token)
{
    size_t n, n_shown;
    cn_token_bytes(s->model, token, false, &n_shown);
    const char *text = cn_token_bytes(s->model, token, true, &n);
    return s->marks && n_shown == 0 && n > 0 && n == strlen(s->marks->open) &&
           memcmp(text, s->marks->open, n) == 0;
}

void cn_speech_token(struct cn_speech *s, int32_t token)
{
    size_t n;
    if (s->calling) { /* marks within calls may be control tokens, too */
        const char *text = cn_token_bytes(s->model, token, true, &n);
        put(s, false, text, n);
    } else if (is_mark(s, token) && s->thinking.where != CN_THINK_INSIDE) {
        if (s->chat)
            cn_thinking_end(&s->thinking);
        s->thinking.where = CN_THINK_AFTER;
        put(s, false, s->marks->open, strlen(s->marks->open));
    } else if (s->chat) {
        cn_thinking_token(&s->thinking, s->model, token);
    } else {
        const char *text = cn_token_bytes(s->model, token, false, &n);
        put(s, false, text, n);
    }
    release(s, false);
}

void cn_speech_end(struct cn_speech *s)
{
    if (s->stopped)
        return;
    if (s->chat)
        cn_thinking_end(&s->thinking);
    if (s->held_reasoning.n > 0)
        move(&s->held_reasoning, s->held_reasoning.n, &s->reasoning);
    release(s, true);
}

bool cn_speech_failed(const struct cn_speech *s)
{
    return s->content.failed || s->reasoning.failed || s->calls.failed || s->held.failed ||
           s->held_reasoning.failed;
}

void cn_speech_free(struct cn_speech *s)
{
    cn_json_text_free(&s->content);
    cn_json_text_free(&s->reasoning);
    cn_json_text_free(&s->calls);
    cn_json_text_free(&s->held);
    cn_json_text_free(&s->held_reasoning);
}

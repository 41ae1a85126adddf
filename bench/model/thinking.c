/* SPDX-License-Identifier: MIT */
#include "bench/model/thinking.h"

#include <string.h>

enum { LOOKED_AT = 256 }; /* bytes at the end of a prompt */

static void put(struct cn_thinking *t, bool reasoning, const char *text, size_t n)
{
    if (n > 0 && t->put)
        t->put(t->user, reasoning, text, n);
}

static bool is_blank(char c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* The last occurrence of `mark` in text[n] ends here; 0: there is none. */
static size_t last_end(const char *text, size_t n, const char *mark)
{
    size_t length = strlen(mark);
    for (size_t at = n; at >= length; at--)
        if (memcmp(text + at - length, mark, length) == 0)
            return at;
    return 0;
}

void cn_thinking_begin(struct cn_thinking *t, const struct cn_chat *chat,
                       const struct cn_model *model, const int32_t *prompt, size_t n)
{
    char tail[LOOKED_AT];
    size_t from = LOOKED_AT, n_bytes;
    t->marks = cn_chat_thinking_of(chat);
    t->n_tokens = 0;
    t->n_held = 0;
    t->where = t->marks.open ? CN_THINK_BEFORE : CN_THINK_AFTER;
    while (t->marks.open && n > 0) {
        const char *bytes = cn_token_bytes(model, prompt[--n], true, &n_bytes);
        if (n_bytes > from)
            break;
        from -= n_bytes;
        memcpy(tail + from, bytes, n_bytes);
    }
    if (!t->marks.open)
        return;
    size_t length = LOOKED_AT - from, open = last_end(tail + from, length, t->marks.open);
    if (open > last_end(tail + from, length, t->marks.close)) {
        while (open < length && is_blank(tail[from + open]))
            open++;
        if (open == length)
            t->where = CN_THINK_INSIDE;
    }
}

/* Takes the first n bytes of what is held. */
static void drop(struct cn_thinking *t, size_t n)
{
    t->n_held -= n;
    memmove(t->held, t->held + n, t->n_held);
}

/* Whether what is held begins with the mark, or may yet. */
static bool may_be(const struct cn_thinking *t, size_t from, const char *mark)
{
    size_t n = t->n_held - from, length = strlen(mark);
    return memcmp(t->held + from, mark, n < length ? n : length) == 0;
}

/* One more byte is held. */
static void look(struct cn_thinking *t)
{
    size_t blanks = 0;
    switch (t->where) {
    case CN_THINK_BEFORE:
        while (blanks < t->n_held && is_blank(t->held[blanks]))
            blanks++;
        if (may_be(t, blanks, t->marks.open) && t->n_held < sizeof t->held) {
            if (t->n_held - blanks == strlen(t->marks.open)) {
                t->n_held = 0;
                t->where = CN_THINK_INSIDE;
            }
            return;
        }
        t->where = CN_THINK_AFTER;
        break;
    case CN_THINK_INSIDE:
        while (t->n_held > 0 && !may_be(t, 0, t->marks.close)) {
            put(t, true, t->held, 1);
            drop(t, 1);
        }
        if (t->n_held == strlen(t->marks.close)) {
            t->n_held = 0;
            t->where = CN_THINK_BEHIND;
        }
        return;
    case CN_THINK_BEHIND:
        if (is_blank(t->held[0])) {
            t->n_held = 0;
            return;
        }
        t->where = CN_THINK_AFTER;
        break;
    case CN_THINK_AFTER:
        break;
    }
    put(t, false, t->held, t->n_held);
    t->n_held = 0;
}

void cn_thinking_token(struct cn_thinking *t, const struct cn_model *model, int32_t token)
{
    size_t n, n_mark;
    bool thinks = t->where == CN_THINK_INSIDE;
    const char *bytes = cn_token_bytes(model, token, false, &n);
    /* Marks may be control tokens, which have no text otherwise. */
    const char *mark = cn_token_bytes(model, token, true, &n_mark);
    if (n == 0 && t->marks.open && n_mark < sizeof t->held &&
        ((n_mark == strlen(t->marks.open) && !memcmp(mark, t->marks.open, n_mark)) ||
         (n_mark == strlen(t->marks.close) && !memcmp(mark, t->marks.close, n_mark)))) {
        bytes = mark;
        n = n_mark;
    }
    if (t->where == CN_THINK_AFTER) {
        put(t, false, bytes, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        t->held[t->n_held++] = bytes[i];
        look(t);
    }
    t->n_tokens += thinks || t->where == CN_THINK_INSIDE;
}

void cn_thinking_end(struct cn_thinking *t)
{
    put(t, t->where == CN_THINK_INSIDE, t->held, t->n_held);
    t->n_held = 0;
}

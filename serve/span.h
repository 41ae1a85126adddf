/* SPDX-License-Identifier: MIT
 *
 * Parts of a text, and what is found in them: for text in which marks and JSON stand among words.
 */
#ifndef CN_SPAN_H
#define CN_SPAN_H

#include <stdbool.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

static inline bool cn_span_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline struct cn_str cn_span_trim(struct cn_str s)
{
    while (s.n > 0 && cn_span_is_blank(s.p[s.n - 1]))
        s.n--;
    for (; s.n > 0 && cn_span_is_blank(*s.p); s.n--)
        s.p++;
    return s;
}

/* What stands in *rest before the mark; *rest goes on behind it. False: it is not there. */
static inline bool cn_span_cut(struct cn_str *rest, const char *mark, struct cn_str *before)
{
    const size_t n = strlen(mark);
    const char *found = memmem(rest->p, rest->n, mark, n);
    if (!found)
        return false;
    *before = (struct cn_str){ rest->p, (size_t)(found - rest->p) };
    rest->p = found + n;
    rest->n -= before->n + n;
    return true;
}

/* The JSON object that begins at s.p[from]; n 0: none does, it has no end, or it is nested deeper
 * than is read. Braces outside strings are counted; whether it is JSON is for a parser to say.
 * Asking at every brace of a text takes time in proportion to the text's length. */
static inline struct cn_str cn_span_object(struct cn_str s, size_t from)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = from; i < s.n && s.p[from] == '{'; i++) {
        const char c = s.p[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{') {
            if (++depth > CN_JSON_MAX_DEPTH)
                break;
        } else if (c == '}' && --depth == 0) {
            return (struct cn_str){ s.p + from, i + 1 - from };
        }
    }
    return (struct cn_str){ s.p + s.n, 0 };
}

/* The object that begins at the first brace. */
static inline struct cn_str cn_span_first_object(struct cn_str s)
{
    const char *brace = memchr(s.p, '{', s.n);
    return cn_span_object(s, brace ? (size_t)(brace - s.p) : s.n);
}

#endif

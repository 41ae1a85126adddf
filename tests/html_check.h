/* SPDX-License-Identifier: MIT
 *
 * Structure of HTML pages: tags that close, ids that are unique, nothing from outside.
 */
#ifndef CN_HTML_CHECK_H
#define CN_HTML_CHECK_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { CN_HTML_DEPTH = 64, CN_HTML_IDS = 4096 };

static inline bool cn_html_is_void(const char *name)
{
    return !strcmp(name, "meta") || !strcmp(name, "br") || !strcmp(name, "link") ||
           !strcmp(name, "img") || !strcmp(name, "hr");
}

/* Notes the ids of a tag's text [tag, end) and finds one that was there before. */
static inline bool cn_html_ids(const char *tag, const char *end, const char *ids[], int *n)
{
    for (const char *p = tag; p + 5 < end; p++) {
        if (strncmp(p, " id=", 4) != 0)
            continue;
        const char *id = p + 5;
        size_t length = strcspn(id, "\"'");
        for (int i = 0; i < *n; i++)
            if (strncmp(ids[i], id, length + 1) == 0)
                return false;
        if (*n < CN_HTML_IDS)
            ids[(*n)++] = id;
    }
    return true;
}

/* NULL if `html` is well-formed and whole in itself, else what is wrong with it; *at (may be NULL)
 * is where. Strict: what HTML lets one leave out has to be there. */
static inline const char *cn_html_fault(const char *html, const char **at)
{
    static const char *ids[CN_HTML_IDS];
    char open[CN_HTML_DEPTH][32];
    int depth = 0, n_ids = 0;
    const char *dummy, **place = at ? at : &dummy;
    for (const char *p = html; *p;) {
        *place = p;
        if (*p == '&' && strncmp(p, "&lt;", 4) && strncmp(p, "&gt;", 4) && strncmp(p, "&amp;", 5) &&
            strncmp(p, "&quot;", 6))
            return "a bare &";
        if (*p != '<') {
            p++;
            continue;
        }
        if (strncmp(p, "<!doctype html>", 15) == 0) {
            p += 15;
            continue;
        }
        bool closing = p[1] == '/';
        const char *start = p + 1 + closing;
        char name[32];
        int n = 0;
        while (isalnum((unsigned char)start[n]) && n < 31) {
            name[n] = start[n];
            n++;
        }
        name[n] = 0;
        if (n == 0)
            return "a bare <";
        char quote = 0;
        const char *end = start;
        for (; *end && (quote || *end != '>'); end++) {
            if (quote)
                quote = *end == quote ? 0 : quote;
            else if (*end == '"' || *end == '\'')
                quote = *end;
            else if (*end == '<')
                return "a < in a tag";
        }
        if (!*end)
            return "a tag without end";
        if (!cn_html_ids(p, end, ids, &n_ids))
            return "an id twice";
        for (const char *q = p; q < end; q++)
            if (!strncmp(q, "http:", 5) || !strncmp(q, "https:", 6) || !strncmp(q, " src=", 5) ||
                !strncmp(q, "url(", 4) || !strncmp(q, "=\"//", 4))
                return "something from outside";
        if (closing) {
            if (depth == 0 || strcmp(open[depth - 1], name) != 0)
                return "an end without its beginning";
            depth--;
        } else if (end[-1] != '/' && !cn_html_is_void(name)) {
            if (depth == CN_HTML_DEPTH)
                return "nested too deeply";
            strcpy(open[depth++], name);
        }
        p = end + 1;
        if (!closing && (!strcmp(name, "style") || !strcmp(name, "script"))) {
            const char *close = strstr(p, !strcmp(name, "style") ? "</style>" : "</script>");
            if (!close)
                return "style or script without end";
            for (const char *q = p; q < close; q++)
                if (!strncmp(q, "http:", 5) || !strncmp(q, "https:", 6) || !strncmp(q, "url(", 4) ||
                    !strncmp(q, "@import", 7))
                    return "style or script from outside";
            p = close;
        }
    }
    return depth ? "an element that does not end" : NULL;
}

/* How often `what` is in `text`. */
static inline int cn_count_of(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Tokens that are cut out of raw text before it is tokenised: control, unknown and user-defined
 * ones. The longest text has precedence everywhere, so the candidates are taken one by one, longest
 * first, each out of the stretches that are still raw. A first pass over the text finds which of
 * them (often hundreds) occur at all.
 */
#include "base/error.h"
#include "engine/text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

static int compare_str(struct cn_str a, struct cn_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = memcmp(a.p, b.p, n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* qsort knows no context, so what it sorts carries the text along. */
struct candidate {
    struct cn_str text;
    uint32_t id;    /* token */
    uint32_t place; /* in the order by text */
};

static int by_text(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = compare_str(x->text, y->text);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static int by_length(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->text.n != y->text.n)
        return x->text.n < y->text.n ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

static bool is_candidate(const struct cn_tokenizer *t, int32_t id)
{
    return t->map.keys[id].n > 0 &&
           (cn_token_is_special(t->types[id]) || t->types[id] == CN_TOKEN_USER);
}

enum cn_status cn_special_load(struct cn_tokenizer *t, struct cn_error *err)
{
    for (int32_t id = 0; id < t->n_vocab; id++)
        t->n_special += is_candidate(t, id);
    if (t->n_special == 0)
        return CN_OK;
    struct candidate *list = malloc(t->n_special * sizeof *list);
    t->special = malloc(t->n_special * sizeof *t->special);
    t->special_longest = malloc(t->n_special * sizeof *t->special_longest);
    if (!list || !t->special || !t->special_longest) {
        free(list);
        return cn_fail(err, CN_ERR_MEMORY, "tokenizer: no memory for %zu special tokens",
                       t->n_special);
    }
    size_t n = 0;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        if (!is_candidate(t, id))
            continue;
        list[n++] = (struct candidate){ t->map.keys[id], (uint32_t)id, 0 };
        t->special_from[(unsigned char)t->map.keys[id].p[0] + 1]++;
        t->has_user_defined |= t->types[id] == CN_TOKEN_USER;
    }
    for (unsigned b = 0; b < 256; b++)
        t->special_from[b + 1] += t->special_from[b];
    qsort(list, n, sizeof *list, by_text);
    for (size_t i = 0; i < n; i++) {
        t->special[i] = list[i].id;
        list[i].place = (uint32_t)i;
    }
    qsort(list, n, sizeof *list, by_length);
    for (size_t i = 0; i < n; i++)
        t->special_longest[i] = list[i].place;
    free(list);
    return CN_OK;
}

/* ---- which candidates occur ------------------------------------------------------------------ */

/* Of special[lo..hi), which share `depth` bytes and are longer, the first whose next byte is not
 * below `byte`. */
static size_t first_not_below(const struct cn_tokenizer *t, size_t lo, size_t hi, size_t depth,
                              unsigned byte)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((unsigned char)t->map.keys[t->special[mid]].p[depth] < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void find_occurring(const struct cn_tokenizer *t, const char *text, size_t n, bool *occurs)
{
    for (size_t pos = 0; pos < n; pos++) {
        unsigned byte = (unsigned char)text[pos];
        size_t lo = t->special_from[byte], hi = t->special_from[byte + 1];
        for (size_t depth = 1; lo < hi; depth++) {
            while (lo < hi && t->map.keys[t->special[lo]].n == depth)
                occurs[lo++] = true;
            if (lo == hi || depth == n - pos)
                break;
            byte = (unsigned char)text[pos + depth];
            lo = first_not_below(t, lo, hi, depth, byte);
            hi = first_not_below(t, lo, hi, depth, byte + 1);
        }
    }
}

/* ---- cutting --------------------------------------------------------------------------------- */

struct stretches {
    struct cn_stretch *items;
    size_t n, capacity;
};

static bool push(struct stretches *list, struct cn_stretch stretch)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct cn_stretch *items = realloc(list->items, capacity * sizeof *items);
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = stretch;
    return true;
}

/* As isspace() in the C locale. */
static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Where the parts of the text begin that are markup. */
struct markup {
    const char **edges; /* [2 * n]: begin and end of each, rising */
    size_t n;
};

static bool find_markup(struct markup *m, const char *text, const struct cn_text_span *spans,
                        size_t n_spans)
{
    m->n = 0;
    m->edges = malloc((2 * n_spans + 1) * sizeof *m->edges);
    if (!m->edges)
        return false;
    for (size_t i = 0; i < n_spans; text += spans[i++].n) {
        if (!spans[i].markup || spans[i].n == 0)
            continue;
        if (m->n == 0 || m->edges[2 * m->n - 1] != text)
            m->edges[2 * m->n++] = text;
        m->edges[2 * m->n - 1] = text + spans[i].n;
    }
    return true;
}

static bool within_markup(const struct markup *m, const char *p, size_t n)
{
    size_t lo = 0, hi = m->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->edges[2 * mid + 1] < p + n)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < m->n && m->edges[2 * lo] <= p;
}

/* The first occurrence of the token's text at or behind p that may become the token. */
static const char *find_token(const struct cn_tokenizer *t, int32_t id, const struct markup *markup,
                              const char *p, const char *end)
{
    struct cn_str text = t->map.keys[id];
    const char *found;
    while ((found = memmem(p, (size_t)(end - p), text.p, text.n)) != NULL) {
        if (t->types[id] == CN_TOKEN_USER || within_markup(markup, found, text.n))
            return found;
        p = found + 1;
    }
    return NULL;
}

/* Cuts every occurrence of token `id` out of one raw stretch. */
static bool cut(const struct cn_tokenizer *t, int32_t id, const struct markup *markup,
                struct cn_stretch raw, struct stretches *to)
{
    const size_t n = t->map.keys[id].n;
    const char *p = raw.p, *end = raw.p + raw.n;
    while (p < end) {
        const char *found = find_token(t, id, markup, p, end);
        const char *stop = found ? found : end;
        if (stop > p && !push(to, (struct cn_stretch){ p, (size_t)(stop - p), CN_NO_ID }))
            return false;
        if (!found)
            break;
        if (!push(to, (struct cn_stretch){ found, n, id }))
            return false;
        p = found + n;
        if (t->flags[id] & CN_TOKEN_STRIPS)
            while (p < end && is_blank(*p))
                p++;
    }
    return true;
}

/* The same for all stretches of `from`; the result replaces it. */
static bool cut_all(const struct cn_tokenizer *t, int32_t id, const struct markup *markup,
                    struct stretches *from)
{
    struct stretches to = { 0 };
    bool ok = true;
    for (size_t i = 0; i < from->n && ok; i++)
        ok = from->items[i].token == CN_NO_ID ? cut(t, id, markup, from->items[i], &to)
                                              : push(&to, from->items[i]);
    free(from->items);
    *from = to;
    return ok;
}

static bool split(const struct cn_tokenizer *t, const char *text, size_t n,
                  const struct markup *markup, bool *occurs, struct stretches *list)
{
    find_occurring(t, text, n, occurs);
    for (size_t i = 0; i < t->n_special; i++) {
        uint32_t place = t->special_longest[i];
        int32_t id = (int32_t)t->special[place];
        if (occurs[place] && (markup->n > 0 || t->types[id] == CN_TOKEN_USER) &&
            !cut_all(t, id, markup, list))
            return false;
    }
    return true;
}

enum cn_status cn_special_split(const struct cn_tokenizer *t, const char *text, size_t n,
                                const struct cn_text_span *spans, size_t n_spans,
                                struct cn_stretch **stretches, size_t *n_stretches,
                                struct cn_error *err)
{
    struct stretches list = { 0 };
    struct markup markup;
    bool *occurs = NULL;
    bool ok = find_markup(&markup, text, spans, n_spans) &&
              push(&list, (struct cn_stretch){ text, n, CN_NO_ID });
    if (ok && t->n_special > 0 && (markup.n > 0 || t->has_user_defined)) {
        occurs = calloc(t->n_special, sizeof *occurs);
        ok = occurs && split(t, text, n, &markup, occurs, &list);
    }
    free(occurs);
    free(markup.edges);
    if (!ok) {
        free(list.items);
        return cn_fail(err, CN_ERR_MEMORY, "tokenizer: no memory for a text of %zu bytes", n);
    }
    *stretches = list.items;
    *n_stretches = list.n;
    return CN_OK;
}

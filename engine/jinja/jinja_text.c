/* SPDX-License-Identifier: MIT
 *
 * Text whose bytes remember where they come from.
 */
#include "engine/jinja/jinja_node.h"

#include "base/unicode.h"
#include "base/unicode_case.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- writing --------------------------------------------------------------------------------- */

static void reserve(struct cn_jtext *text, size_t n)
{
    if (n > CN_JINJA_MAX_TEXT || text->n > CN_JINJA_MAX_TEXT - n)
        cn_j_fail(text->run, CN_ERR_UNSUPPORTED, "a text of more than %d MiB",
                  CN_JINJA_MAX_TEXT >> 20);
    cn_j_work(text->run, 0, n);
    if (n <= text->capacity - text->n)
        return;
    size_t capacity = 2 * text->capacity > text->n + n ? 2 * text->capacity : text->n + n + 32;
    if (text->marks)
        text->marks = cn_j_grow(text->run, text->marks, text->capacity, capacity);
    text->p = cn_j_grow(text->run, text->p, text->capacity, capacity);
    text->capacity = capacity;
}

/* From here on bytes differ in where they come from. */
static void start_marks(struct cn_jtext *text)
{
    text->marks = cn_j_alloc(text->run, text->capacity);
    memset(text->marks, text->input, text->n);
}

/* marks: of these bytes; NULL: all are as `input` says. */
static void put(struct cn_jtext *text, const char *p, size_t n, const uint8_t *marks, bool input)
{
    if (n == 0)
        return;
    reserve(text, n);
    if (!text->marks && text->n == 0 && !marks)
        text->input = input;
    if (!text->marks && (marks || text->input != input))
        start_marks(text);
    memcpy(text->p + text->n, p, n);
    if (text->marks && marks)
        memcpy(text->marks + text->n, marks, n);
    else if (text->marks)
        memset(text->marks + text->n, input, n);
    text->n += n;
}

void cn_j_put(struct cn_jtext *text, const char *p, size_t n, bool input)
{
    put(text, p, n, NULL, input);
}

/* Templates that write `out = out ~ more` for each message would copy all that came before each
 * time. Instead the longer text goes on where the shorter ends; the shorter one's bytes stay. */
static bool goes_on(struct cn_jtext *text, const struct cn_jstr *str)
{
    struct cn_jtext *written = str->written;
    if (text->p || !written || written->n != str->n)
        return false;
    *text = *written;
    written->n = SIZE_MAX; /* its end is taken */
    return true;
}

void cn_j_put_str(struct cn_jtext *text, const struct cn_jstr *str)
{
    if (goes_on(text, str))
        return;
    put(text, str->p, str->n, str->marks, str->input);
}

void cn_j_put_part(struct cn_jtext *text, const struct cn_jstr *str, size_t from, size_t n)
{
    put(text, str->p + from, n, str->marks ? str->marks + from : NULL, str->input);
}

void cn_j_put_char(struct cn_jtext *text, uint32_t cp, bool input)
{
    char bytes[4];
    put(text, bytes, cn_utf8_put(cp, bytes), NULL, input);
}

void cn_j_putf(struct cn_jtext *text, const char *format, ...)
{
    char buf[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buf, sizeof buf, format, args);
    va_end(args);
    if (n > 0)
        put(text, buf, (size_t)n < sizeof buf ? (size_t)n : sizeof buf - 1, NULL, false);
}

static struct cn_jstr *make(struct cn_jrun *run, const char *p, const uint8_t *marks, size_t n,
                            bool input)
{
    struct cn_jstr *str = cn_j_alloc(run, sizeof *str);
    *str = (struct cn_jstr){ .p = p, .marks = marks, .n = n, .input = input, .n_chars = SIZE_MAX };
    return str;
}

const struct cn_jstr *cn_j_finish(struct cn_jtext *text)
{
    enum { LONG = 256 };
    struct cn_jstr *str =
        make(text->run, text->p ? text->p : "", text->marks, text->n, text->input);
    /* Strings of the template itself are shared by its renderings: none may write behind them. */
    const bool rendering = text->run->jinja != NULL;
    if (rendering && text->n >= LONG) {
        str->written = cn_j_alloc(text->run, sizeof *str->written);
        *str->written = *text;
    }
    return str;
}

const struct cn_jstr *cn_j_str(struct cn_jrun *run, const char *p, size_t n, bool input)
{
    return make(run, p, NULL, n, input);
}

const struct cn_jstr *cn_j_literal(struct cn_jrun *run, const char *p)
{
    return make(run, p, NULL, strlen(p), false);
}

const struct cn_jstr *cn_j_part(struct cn_jrun *run, const struct cn_jstr *str, size_t from,
                                size_t n)
{
    struct cn_jstr *part =
        make(run, str->p + from, str->marks ? str->marks + from : NULL, n, str->input);
    part->safe = str->safe;
    part->ascii = str->ascii;
    if (part->ascii)
        part->n_chars = n;
    return part;
}

/* ---- characters ------------------------------------------------------------------------------ */

uint32_t cn_j_char(const struct cn_jstr *str, size_t at, size_t *length)
{
    uint32_t cp = cn_utf8_next(str->p + at, str->n - at, length);
    return cp;
}

size_t cn_j_chars(struct cn_jrun *run, const struct cn_jstr *str)
{
    if (str->n_chars != SIZE_MAX)
        return str->n_chars;
    size_t n = 0, length;
    cn_j_work(run, 0, str->n);
    for (size_t at = 0; at < str->n; at += length, n++)
        cn_j_char(str, at, &length);
    /* Strings are read-only but for this note, which only the rendering that made them writes. */
    struct cn_jstr *noted = (struct cn_jstr *)(uintptr_t)str;
    noted->n_chars = n;
    noted->ascii = n == str->n;
    return n;
}

size_t cn_j_char_at(struct cn_jrun *run, const struct cn_jstr *str, size_t i)
{
    size_t n = cn_j_chars(run, str), at = 0, length;
    if (str->ascii || i >= n)
        return i >= n ? str->n : i;
    for (size_t k = 0; k < i; k++, at += length)
        cn_j_char(str, at, &length);
    cn_j_work(run, 0, at);
    return at;
}

bool cn_j_is_space(uint32_t cp)
{
    return cp != CN_UTF8_INVALID &&
           ((cp >= 0x1c && cp <= 0x1f) || cn_unicode_class(cp) == CN_U_SPACE);
}

bool cn_j_same(const struct cn_jstr *str, const char *text)
{
    return str->n == strlen(text) && memcmp(str->p, text, str->n) == 0;
}

/* ---- searching and cutting ------------------------------------------------------------------- */

size_t cn_j_find(const struct cn_jstr *str, const struct cn_jstr *part, size_t from)
{
    const char *found =
        from <= str->n ? memmem(str->p + from, str->n - from, part->p, part->n) : NULL;
    return found ? (size_t)(found - str->p) : SIZE_MAX;
}

size_t cn_j_rfind(struct cn_jrun *run, const struct cn_jstr *str, const struct cn_jstr *part)
{
    if (part->n > str->n)
        return SIZE_MAX;
    if (part->n == 0)
        return str->n;
    cn_j_work(run, 1, str->n);
    for (size_t at = str->n - part->n + 1; at-- > 0;) {
        if (str->p[at] != part->p[0])
            continue;
        cn_j_work(run, 0, part->n);
        if (memcmp(str->p + at, part->p, part->n) == 0)
            return at;
    }
    return SIZE_MAX;
}

static bool strips(const struct cn_jstr *chars, const struct cn_jstr *str, size_t at, size_t length)
{
    if (!chars) {
        size_t same;
        return cn_j_is_space(cn_j_char(str, at, &same));
    }
    size_t n;
    for (size_t i = 0; i < chars->n; i += n) {
        cn_j_char(chars, i, &n);
        if (n == length && memcmp(chars->p + i, str->p + at, n) == 0)
            return true;
    }
    return false;
}

size_t cn_j_char_before(const struct cn_jstr *str, size_t end)
{
    size_t start = end - 1, length;
    while (start > 0 && end - start < 4 && ((unsigned char)str->p[start] & 0xc0) == 0x80)
        start--;
    cn_utf8_next(str->p + start, end - start, &length);
    return start + length == end ? start : end - 1;
}

const struct cn_jstr *cn_j_strip(struct cn_jrun *run, const struct cn_jstr *str,
                                 const struct cn_jstr *chars, int sides)
{
    size_t from = 0, end = str->n, length;
    size_t each = 1 + (chars ? chars->n / 16 : 0);
    while (sides & CN_J_LEFT && from < end) {
        cn_j_char(str, from, &length);
        if (!strips(chars, str, from, length))
            break;
        from += length;
        cn_j_work(run, each, 0);
    }
    while (sides & CN_J_RIGHT && end > from) {
        size_t start = cn_j_char_before(str, end);
        if (!strips(chars, str, start, end - start))
            break;
        end = start;
        cn_j_work(run, each, 0);
    }
    return cn_j_part(run, str, from, end - from);
}

const struct cn_jstr *cn_j_concat(struct cn_jrun *run, const struct cn_jstr *a,
                                  const struct cn_jstr *b)
{
    bool safe = a->safe || b->safe;
    if (safe) {
        a = cn_j_escaped(run, a);
        b = cn_j_escaped(run, b);
    }
    struct cn_jtext text = { .run = run };
    cn_j_put_str(&text, a);
    cn_j_put_str(&text, b);
    return cn_j_as_safe(run, cn_j_finish(&text), safe);
}

const struct cn_jstr *cn_j_as_safe(struct cn_jrun *run, const struct cn_jstr *str, bool safe)
{
    if (str->safe == safe)
        return str;
    struct cn_jstr *copy = cn_j_alloc(run, sizeof *copy);
    *copy = *str;
    copy->safe = safe;
    return copy;
}

const struct cn_jstr *cn_j_escaped(struct cn_jrun *run, const struct cn_jstr *str)
{
    static const char chars[] = "&<>'\"";
    static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&#39;", "&#34;" };
    if (str->safe)
        return str;
    struct cn_jtext text = { .run = run };
    size_t from = 0;
    for (size_t i = 0; i < str->n; i++) {
        const char *c = str->p[i] ? strchr(chars, str->p[i]) : NULL;
        if (!c)
            continue;
        cn_j_put_part(&text, str, from, i - from);
        cn_j_put(&text, entities[c - chars], strlen(entities[c - chars]),
                 str->marks ? str->marks[i] : str->input);
        from = i + 1;
    }
    cn_j_put_part(&text, str, from, str->n - from);
    return cn_j_as_safe(run, cn_j_finish(&text), true);
}

const struct cn_jstr *cn_j_replace(struct cn_jrun *run, const struct cn_jstr *str,
                                   const struct cn_jstr *old, const struct cn_jstr *with,
                                   int64_t count)
{
    struct cn_jtext text = { .run = run };
    size_t at = 0, length;
    cn_j_work(run, 1, str->n);
    for (; count != 0; count -= count > 0) {
        if (old->n == 0) { /* in front of every character, and at the end */
            cn_j_put_str(&text, with);
            if (at == str->n)
                break;
            cn_j_char(str, at, &length);
            cn_j_put_part(&text, str, at, length);
            at += length;
        } else {
            size_t found = cn_j_find(str, old, at);
            if (found == SIZE_MAX)
                break;
            cn_j_put_part(&text, str, at, found - at);
            cn_j_put_str(&text, with);
            at = found + old->n;
        }
        cn_j_work(run, 1, 0);
    }
    cn_j_put_part(&text, str, at, str->n - at);
    return cn_j_finish(&text);
}

/* ---- case ------------------------------------------------------------------------------------ */

static bool is_cased(uint32_t cp)
{
    enum cn_uclass class = cp == CN_UTF8_INVALID ? CN_U_NONE : cn_unicode_class(cp);
    return class == CN_U_LU || class == CN_U_LL || class == CN_U_LT;
}

/* What may stand within a word without ending it. */
static bool is_ignored(uint32_t cp)
{
    static const char punctuation[] = "'.:^`";
    if (cp < 128)
        return cp && strchr(punctuation, (int)cp);
    enum cn_uclass class = cp == CN_UTF8_INVALID ? CN_U_NONE : cn_unicode_class(cp);
    return class == CN_U_M || class == CN_U_LM || cp == 0xad || cp == 0xb7 || cp == 0x2019 ||
           (cp >= 0x200b && cp <= 0x200f);
}

/* Whether the capital sigma at byte `at` ends a word. */
static bool is_final_sigma(const struct cn_jstr *str, size_t at)
{
    size_t before = at, length;
    while (before > 0 && is_ignored(cn_j_char(str, cn_j_char_before(str, before), &length)))
        before = cn_j_char_before(str, before);
    if (before == 0 || !is_cased(cn_j_char(str, cn_j_char_before(str, before), &length)))
        return false;
    size_t after = at + 2;
    while (after < str->n && is_ignored(cn_j_char(str, after, &length)))
        after += length;
    return after == str->n || !is_cased(cn_j_char(str, after, &length));
}

static void put_cased(struct cn_jtext *text, const struct cn_jstr *str, size_t at, enum cn_case to)
{
    size_t length;
    uint32_t cp = cn_j_char(str, at, &length), out[CN_CASE_MAX];
    bool input = str->marks ? str->marks[at] : str->input;
    if (cp == CN_UTF8_INVALID) {
        cn_j_put_part(text, str, at, length);
        return;
    }
    if (cp == 0x3a3 && to == CN_CASE_LOWER && is_final_sigma(str, at)) {
        cn_j_put_char(text, 0x3c2, input);
        return;
    }
    size_t n = cn_unicode_case(cp, to, out);
    for (size_t i = 0; i < n; i++)
        cn_j_put_char(text, out[i], input);
}

const struct cn_jstr *cn_j_change_case(struct cn_jrun *run, const struct cn_jstr *str,
                                       enum cn_jcase to)
{
    struct cn_jtext text = { .run = run };
    bool starts = true; /* of what gets a capital */
    size_t length;
    cn_j_work(run, 1 + str->n / 8, 0);
    for (size_t at = 0; at < str->n; at += length) {
        uint32_t cp = cn_j_char(str, at, &length);
        enum cn_case one = CN_CASE_LOWER;
        switch (to) {
        case CN_J_UPPER:
            one = CN_CASE_UPPER;
            break;
        case CN_J_LOWER:
            break;
        case CN_J_SWAP:
            one = cn_unicode_class(cp) == CN_U_LU ? CN_CASE_LOWER : CN_CASE_UPPER;
            break;
        case CN_J_CAPITALIZE:
            one = starts ? CN_CASE_TITLE : CN_CASE_LOWER;
            starts = false;
            break;
        case CN_J_TITLE:
            one = starts ? CN_CASE_UPPER : CN_CASE_LOWER;
            starts = cn_j_is_space(cp) || (cp && cp < 128 && strchr("-({[<", (int)cp));
            break;
        case CN_J_TITLE_METHOD:
            one = starts ? CN_CASE_TITLE : CN_CASE_LOWER;
            starts = !is_cased(cp);
            break;
        }
        put_cased(&text, str, at, one);
    }
    return cn_j_finish(&text);
}

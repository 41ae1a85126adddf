/* SPDX-License-Identifier: MIT
 *
 * Values as text: what printing gives, Python's repr, JSON; and numbers out of text.
 */
#include "engine/jinja/jinja_node.h"

#include "base/unicode.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a value: making its digits takes longer than a step of a program. */
enum { PRINT_WORK = 4 };

/* ---- numbers --------------------------------------------------------------------------------- */

const char *cn_j_int_text(cn_jint integer, char out[CN_J_FLOAT_CHARS + 8])
{
    unsigned __int128 rest = integer < 0 ? -(unsigned __int128)integer : (unsigned __int128)integer;
    char *p = out + CN_J_FLOAT_CHARS + 7;
    *p = '\0';
    do {
        *--p = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest);
    if (integer < 0)
        *--p = '-';
    return p;
}

const char *cn_j_float_text(double real, char out[CN_J_FLOAT_CHARS])
{
    if (isnan(real))
        return "nan";
    if (isinf(real))
        return real < 0 ? "-inf" : "inf";
    char digits[40];
    int precision = 1;
    do /* the fewest digits that read back the same */
        snprintf(digits, sizeof digits, "%.*e", precision - 1, real);
    while (memcmp(&(double){ strtod(digits, NULL) }, &real, sizeof real) != 0 && ++precision <= 17);
    char *e = strchr(digits, 'e');
    int exponent = atoi(e + 1);
    *e = '\0';
    if (exponent < -4 || exponent >= 16)
        snprintf(out, CN_J_FLOAT_CHARS, "%.24se%c%02d", digits, exponent < 0 ? '-' : '+',
                 abs(exponent));
    else
        snprintf(out, CN_J_FLOAT_CHARS, "%.*f",
                 precision - 1 > exponent ? precision - 1 - exponent : 1, real);
    return out;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'z' ? c - 'a' + 10
           : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                  : 99;
}

/* p[0..n) less white space at its ends. */
static void trim(const char **p, size_t *n)
{
    while (*n > 0 && cn_j_is_space((unsigned char)**p) && (unsigned char)**p < 128) {
        ++*p;
        --*n;
    }
    while (*n > 0 && (unsigned char)(*p)[*n - 1] < 128 &&
           cn_j_is_space((unsigned char)(*p)[*n - 1]))
        --*n;
}

bool cn_j_parse_int(const char *p, size_t n, int base, cn_jint *integer)
{
    trim(&p, &n);
    bool negative = n > 0 && *p == '-', any = false;
    if (n > 0 && (*p == '-' || *p == '+')) {
        p++;
        n--;
    }
    int prefix = n > 1 && p[0] == '0' && (p[1] | 32) == 'x'   ? 16
                 : n > 1 && p[0] == '0' && (p[1] | 32) == 'o' ? 8
                 : n > 1 && p[0] == '0' && (p[1] | 32) == 'b' ? 2
                                                              : 0;
    if (prefix && (base == 0 || base == prefix)) {
        p += 2;
        n -= 2;
        base = prefix;
    } else if (base == 0) {
        base = 10;
    }
    cn_jint value = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '_' && any && i + 1 < n && p[i - 1] != '_')
            continue;
        int digit = digit_of(p[i]);
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
        any = true;
    }
    *integer = value;
    return any;
}

bool cn_j_parse_float(struct cn_jrun *run, const char *p, size_t n, double *real)
{
    trim(&p, &n);
    if (n == 0 || n > 4000)
        return false;
    char *copy = cn_j_alloc(run, n + 1), *end;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if ((p[i] | 32) == 'x') /* strtod knows hexadecimal, Python does not */
            return false;
        if (p[i] != '_')
            copy[k++] = p[i];
    }
    copy[k] = '\0';
    *real = strtod(copy, &end);
    return end == copy + k && k > 0;
}

/* ---- printing -------------------------------------------------------------------------------- */

static bool is_printable(uint32_t cp)
{
    if (cp == ' ')
        return true;
    enum cn_uclass class = cn_unicode_class(cp);
    return class != CN_U_NONE && class != CN_U_SPACE;
}

/* As Python quotes it. */
static void print_quoted(struct cn_jtext *out, const struct cn_jstr *str)
{
    char quote = memchr(str->p, '\'', str->n) && !memchr(str->p, '"', str->n) ? '"' : '\'';
    size_t length;
    cn_j_put(out, &quote, 1, false);
    cn_j_work(out->run, 1 + str->n / 8, 0);
    for (size_t at = 0; at < str->n; at += length) {
        uint32_t cp = cn_j_char(str, at, &length);
        bool input = str->marks ? str->marks[at] : str->input;
        char escape[16];
        const char *c;
        if (cp == (unsigned char)quote || cp == '\\')
            snprintf(escape, sizeof escape, "\\%c", (int)cp);
        else if (cp && cp < 128 && (c = strchr("\nn\rr\tt", (int)cp)) != NULL && *c < ' ')
            snprintf(escape, sizeof escape, "\\%c", c[1]);
        else if (cp == CN_UTF8_INVALID)
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)str->p[at]);
        else if (is_printable(cp)) {
            cn_j_put_part(out, str, at, length);
            continue;
        } else {
            snprintf(escape, sizeof escape,
                     cp < 0x100     ? "\\x%02x"
                     : cp < 0x10000 ? "\\u%04x"
                                    : "\\U%08x",
                     (unsigned)cp);
        }
        cn_j_put(out, escape, strlen(escape), input);
    }
    cn_j_put(out, &quote, 1, false);
}

static void print_items(struct cn_jtext *out, const struct cn_jlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            cn_j_putf(out, ", ");
        cn_j_print_repr(out, list->items[i]);
    }
}

static void print_dict(struct cn_jtext *out, const struct cn_jdict *dict)
{
    cn_j_putf(out, "{");
    for (size_t i = 0; i < dict->n; i++) {
        if (i > 0)
            cn_j_putf(out, ", ");
        cn_j_print_repr(out, dict->entries[i].key);
        cn_j_putf(out, ": ");
        cn_j_print_repr(out, dict->entries[i].value);
    }
    cn_j_putf(out, "}");
}

static void print_range(struct cn_jtext *out, const struct cn_jrange *range)
{
    cn_j_putf(out, "range(%lld, %lld", (long long)range->start, (long long)range->stop);
    if (range->step != 1)
        cn_j_putf(out, ", %lld", (long long)range->step);
    cn_j_putf(out, ")");
}

void cn_j_print_repr(struct cn_jtext *out, struct cn_jval v)
{
    char buf[CN_J_FLOAT_CHARS + 8];
    cn_j_work(out->run, PRINT_WORK, 0);
    cn_j_enter(out->run);
    switch (v.kind) {
    case CN_J_ABSENT:
    case CN_J_UNDEFINED:
        cn_j_putf(out, "Undefined");
        break;
    case CN_J_NONE:
        cn_j_putf(out, "None");
        break;
    case CN_J_BOOL:
        cn_j_putf(out, "%s", v.boolean ? "True" : "False");
        break;
    case CN_J_INT:
        cn_j_putf(out, "%s", cn_j_int_text(v.integer, buf));
        break;
    case CN_J_FLOAT:
        cn_j_putf(out, "%s", cn_j_float_text(v.real, buf));
        break;
    case CN_J_STRING:
        print_quoted(out, v.string);
        break;
    case CN_J_LIST:
        cn_j_putf(out, "[");
        print_items(out, v.list);
        cn_j_putf(out, "]");
        break;
    case CN_J_TUPLE:
        cn_j_putf(out, "(");
        print_items(out, v.list);
        cn_j_putf(out, v.list->n == 1 ? ",)" : ")");
        break;
    case CN_J_VIEW:
        cn_j_putf(out, "%s([", v.list->view);
        print_items(out, v.list);
        cn_j_putf(out, "])");
        break;
    case CN_J_RANGE:
        print_range(out, v.range);
        break;
    case CN_J_DICT:
        print_dict(out, v.dict);
        break;
    case CN_J_NAMESPACE:
        cn_j_putf(out, "<Namespace ");
        print_dict(out, v.dict);
        cn_j_putf(out, ">");
        break;
    case CN_J_LOOP:
        cn_j_putf(out, "<LoopContext %zu/%zu>", v.loop->at + 1, v.loop->items->n);
        break;
    case CN_J_MACRO:
    case CN_J_FUNCTION:
    case CN_J_METHOD:
    case CN_J_GENERATOR:
        /* Python prints an address here, which no template can want. */
        cn_j_fail(out->run, CN_ERR_FORMAT, "a %s is printed, which has no text",
                  cn_j_kind_name(v.kind));
    }
    cn_j_leave(out->run);
}

void cn_j_print(struct cn_jtext *out, struct cn_jval v)
{
    if (v.kind == CN_J_STRING)
        cn_j_put_str(out, v.string);
    else if (v.kind != CN_J_UNDEFINED && v.kind != CN_J_ABSENT)
        cn_j_print_repr(out, v);
}

const struct cn_jstr *cn_j_text(struct cn_jrun *run, struct cn_jval value)
{
    if (value.kind == CN_J_STRING)
        return value.string;
    struct cn_jtext text = { .run = run };
    cn_j_print(&text, value);
    return cn_j_finish(&text);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

struct json_style {
    bool ascii, sort, lines;
    const struct cn_jstr *indent, *comma, *colon;
};

static void json_string(struct cn_jtext *out, const struct json_style *style,
                        const struct cn_jstr *str)
{
    static const char chars[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    size_t length;
    cn_j_putf(out, "\"");
    cn_j_work(out->run, 1 + str->n / 8, 0);
    for (size_t at = 0; at < str->n; at += length) {
        uint32_t cp = cn_j_char(str, at, &length);
        bool input = str->marks ? str->marks[at] : str->input;
        char escape[16];
        const char *c = cp && cp < 128 ? strchr(chars, (int)cp) : NULL;
        if (c)
            snprintf(escape, sizeof escape, "\\%c", letters[c - chars]);
        else if (cp < 0x20 || (style->ascii && cp > 0x7e && cp < 0x10000))
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)cp);
        else if (style->ascii && cp >= 0x10000 && cp != CN_UTF8_INVALID)
            snprintf(escape, sizeof escape, "\\u%04x\\u%04x",
                     (unsigned)(0xd800 + ((cp - 0x10000) >> 10)),
                     (unsigned)(0xdc00 + ((cp - 0x10000) & 0x3ff)));
        else {
            cn_j_put_part(out, str, at, length);
            continue;
        }
        cn_j_put(out, escape, strlen(escape), input);
    }
    cn_j_putf(out, "\"");
}

static void json_number(struct cn_jtext *out, struct cn_jval v)
{
    char buf[CN_J_FLOAT_CHARS + 8];
    if (v.kind == CN_J_INT)
        cn_j_putf(out, "%s", cn_j_int_text(v.integer, buf));
    else if (isfinite(v.real))
        cn_j_putf(out, "%s", cn_j_float_text(v.real, buf));
    else
        cn_j_putf(out, "%s", isnan(v.real) ? "NaN" : v.real < 0 ? "-Infinity" : "Infinity");
}

static void json_value(struct cn_jtext *out, const struct json_style *style, struct cn_jval v,
                       size_t level);

static void json_break(struct cn_jtext *out, const struct json_style *style, size_t level)
{
    if (!style->lines)
        return;
    cn_j_putf(out, "\n");
    for (size_t i = 0; i < level; i++)
        cn_j_put_str(out, style->indent);
}

static void json_key(struct cn_jtext *out, const struct json_style *style, struct cn_jval key)
{
    switch (key.kind) {
    case CN_J_STRING:
        json_string(out, style, key.string);
        break;
    case CN_J_NONE:
        cn_j_putf(out, "\"null\"");
        break;
    case CN_J_BOOL:
        cn_j_putf(out, key.boolean ? "\"true\"" : "\"false\"");
        break;
    case CN_J_INT:
    case CN_J_FLOAT:
        cn_j_putf(out, "\"");
        json_number(out, key);
        cn_j_putf(out, "\"");
        break;
    default:
        cn_j_fail(out->run, CN_ERR_FORMAT, "tojson: a %s cannot be a key",
                  cn_j_kind_name(key.kind));
    }
}

/* Indices of the entries by their keys: a merge sort, bottom up. */
static size_t *sorted_keys(struct cn_jrun *run, const struct cn_jdict *dict)
{
    size_t n = dict->n, *order = cn_j_alloc(run, 2 * n * sizeof *order), *other = order + n;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t a = at, a_end = at + width < n ? at + width : n, b = a_end,
                   b_end = at + 2 * width < n ? at + 2 * width : n;
            for (size_t k = at; k < b_end; k++) {
                bool second =
                    a == a_end || (b < b_end && cn_j_compare(run, dict->entries[order[b]].key,
                                                             dict->entries[order[a]].key, "<") < 0);
                other[k] = order[second ? b++ : a++];
            }
        }
        size_t *swap = order;
        order = other;
        other = swap;
    }
    return order;
}

static void json_dict(struct cn_jtext *out, const struct json_style *style,
                      const struct cn_jdict *dict, size_t level)
{
    const size_t *order = style->sort ? sorted_keys(out->run, dict) : NULL;
    cn_j_putf(out, "{");
    for (size_t i = 0; i < dict->n; i++) {
        const struct cn_jentry *entry = &dict->entries[order ? order[i] : i];
        if (i > 0)
            cn_j_put_str(out, style->comma);
        json_break(out, style, level + 1);
        json_key(out, style, entry->key);
        cn_j_put_str(out, style->colon);
        json_value(out, style, entry->value, level + 1);
    }
    if (dict->n > 0)
        json_break(out, style, level);
    cn_j_putf(out, "}");
}

static void json_value(struct cn_jtext *out, const struct json_style *style, struct cn_jval v,
                       size_t level)
{
    cn_j_work(out->run, PRINT_WORK, 0);
    cn_j_enter(out->run);
    switch (v.kind) {
    case CN_J_NONE:
        cn_j_putf(out, "null");
        break;
    case CN_J_BOOL:
        cn_j_putf(out, v.boolean ? "true" : "false");
        break;
    case CN_J_INT:
    case CN_J_FLOAT:
        json_number(out, v);
        break;
    case CN_J_STRING:
        json_string(out, style, v.string);
        break;
    case CN_J_LIST:
    case CN_J_TUPLE:
        cn_j_putf(out, "[");
        for (size_t i = 0; i < v.list->n; i++) {
            if (i > 0)
                cn_j_put_str(out, style->comma);
            json_break(out, style, level + 1);
            json_value(out, style, v.list->items[i], level + 1);
        }
        if (v.list->n > 0)
            json_break(out, style, level);
        cn_j_putf(out, "]");
        break;
    case CN_J_DICT:
        json_dict(out, style, v.dict, level);
        break;
    default:
        cn_j_fail(out->run, CN_ERR_FORMAT, "tojson: a %s has no JSON", cn_j_kind_name(v.kind));
    }
    cn_j_leave(out->run);
}

/* a: ensure_ascii, indent, separators, sort_keys. */
const struct cn_jstr *cn_j_tojson(struct cn_jrun *run, struct cn_jval value,
                                  const struct cn_jval *a)
{
    struct cn_jtext out = { .run = run };
    struct json_style style = { .ascii = cn_j_truth(a[0]), .sort = cn_j_truth(a[3]) };
    style.lines = a[1].kind != CN_J_ABSENT && a[1].kind != CN_J_NONE;
    style.comma = cn_j_literal(run, style.lines ? "," : ", ");
    style.colon = cn_j_literal(run, ": ");
    if (a[1].kind == CN_J_STRING) {
        style.indent = a[1].string;
    } else if (style.lines) {
        int64_t n = cn_j_need_int(run, a[1], "tojson: indent");
        struct cn_jtext blanks = { .run = run };
        for (int64_t i = 0; i < n && i < 1000; i++)
            cn_j_putf(&blanks, " ");
        style.indent = cn_j_finish(&blanks);
    }
    if (a[2].kind != CN_J_ABSENT && a[2].kind != CN_J_NONE) {
        const struct cn_jlist *two = cn_j_items(run, a[2]);
        if (two->n != 2)
            cn_j_fail(run, CN_ERR_FORMAT, "tojson: separators: expected 2, found %zu", two->n);
        style.comma = cn_j_need_string(run, two->items[0], "tojson: separators");
        style.colon = cn_j_need_string(run, two->items[1], "tojson: separators");
    }
    json_value(&out, &style, value, 0);
    return cn_j_finish(&out);
}

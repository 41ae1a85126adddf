/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/error.h"
#include "base/plain_text.h"
#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct cn_json {
    struct cn_json_value *values; /* in the order of the text; [0] is the root */
    char *strings;                /* each with a NUL behind */
};

struct parser {
    const char *text, *name;
    size_t n, pos;
    struct cn_json *json;
    size_t n_values, n_strings;
    struct cn_error *err;
};

const char *cn_json_type_name(enum cn_json_type type)
{
    static const char *const names[] = { "null",     "true or false", "a number",
                                         "a string", "an array",      "an object" };
    return names[type];
}

static enum cn_status fail(const struct parser *p, const char *expected)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < p->pos; i++) {
        column++;
        if (p->text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    if (p->pos >= p->n)
        return cn_fail(p->err, CN_ERR_FORMAT,
                       "%s: line %zu, column %zu: expected %s, found the end", p->name, line,
                       column, expected);
    unsigned char c = (unsigned char)p->text[p->pos];
    if (c > ' ' && c < 127)
        return cn_fail(p->err, CN_ERR_FORMAT, "%s: line %zu, column %zu: expected %s, found '%c'",
                       p->name, line, column, expected, c);
    return cn_fail(p->err, CN_ERR_FORMAT,
                   "%s: line %zu, column %zu: expected %s, found byte 0x%02x", p->name, line,
                   column, expected, c);
}

/* The next byte, or 0 at the end: no place takes a NUL, so the two need not be told apart. */
static char peek(const struct parser *p)
{
    return p->pos < p->n ? p->text[p->pos] : '\0';
}

static void skip_space(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t' || peek(p) == '\n' || peek(p) == '\r')
        p->pos++;
}

static enum cn_status parse_word(struct parser *p, const char *word)
{
    size_t n = strlen(word);
    if (p->n - p->pos < n || memcmp(p->text + p->pos, word, n) != 0)
        return fail(p, "a value");
    p->pos += n;
    return CN_OK;
}

static bool skip_digits(struct parser *p)
{
    size_t start = p->pos;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->pos++;
    return p->pos > start;
}

static enum cn_status parse_number(struct parser *p, struct cn_json_value *value)
{
    size_t start = p->pos;
    p->pos += peek(p) == '-';
    if (peek(p) == '0')
        p->pos++;
    else if (!skip_digits(p))
        return fail(p, "a digit");
    if (peek(p) == '.') {
        p->pos++;
        if (!skip_digits(p))
            return fail(p, "a digit");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->pos++;
        p->pos += peek(p) == '+' || peek(p) == '-';
        if (!skip_digits(p))
            return fail(p, "a digit");
    }
    /* The arena has room for as many bytes as the text and one more, and no number ends where
     * another string begins. */
    char *copy = p->json->strings + p->n_strings;
    value->n_string = p->pos - start;
    memcpy(copy, p->text + start, value->n_string);
    copy[value->n_string] = '\0';
    p->n_strings += value->n_string + 1;
    value->string = copy;
    value->number = strtod(copy, NULL);
    return CN_OK;
}

static enum cn_status parse_hex4(struct parser *p, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, p->pos++) {
        char c = peek(p);
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return fail(p, "a hexadecimal digit");
        *value = *value << 4 | digit;
    }
    return CN_OK;
}

/* Behind a backslash. */
static enum cn_status parse_escape(struct parser *p, char *out, size_t *n_out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = peek(p);
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        p->pos++;
        out[(*n_out)++] = meanings[letter - letters];
        return CN_OK;
    }
    if (c != 'u')
        return fail(p, "an escape (one of \"\\/bfnrtu)");
    p->pos++;
    uint32_t cp, low;
    CN_TRY(parse_hex4(p, &cp));
    if (cp >= 0xd800 && cp < 0xdc00) {
        if (p->n - p->pos < 2 || p->text[p->pos] != '\\' || p->text[p->pos + 1] != 'u')
            return fail(p, "the second half of a surrogate pair");
        p->pos += 2;
        CN_TRY(parse_hex4(p, &low));
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        if (low < 0xdc00 || low > 0xdfff)
            return fail(p, "a surrogate pair before this");
    } else if (cp >= 0xdc00 && cp <= 0xdfff) {
        return fail(p, "a surrogate pair before this");
    }
    *n_out += cn_utf8_put(cp, out + *n_out);
    return CN_OK;
}

static enum cn_status parse_string(struct parser *p, const char **string, size_t *n_string)
{
    if (peek(p) != '"')
        return fail(p, "a string");
    p->pos++;
    /* Decoding never lengthens: "\u0000" to one byte, "\ud83d\ude00" to four. The quotes leave room
     * for the NUL. */
    char *out = p->json->strings + p->n_strings;
    size_t n = 0;
    while (peek(p) != '"') {
        if ((unsigned char)peek(p) < 0x20)
            return fail(p, "a character or '\"'");
        if (peek(p) == '\\') {
            p->pos++;
            CN_TRY(parse_escape(p, out, &n));
            continue;
        }
        size_t length;
        if (cn_utf8_next(p->text + p->pos, p->n - p->pos, &length) == CN_UTF8_INVALID)
            return fail(p, "UTF-8");
        memcpy(out + n, p->text + p->pos, length);
        n += length;
        p->pos += length;
    }
    p->pos++;
    out[n] = '\0';
    p->n_strings += n + 1;
    *string = out;
    *n_string = n;
    return CN_OK;
}

/* A value, of an array or object only its bracket. */
static enum cn_status parse_value(struct parser *p, struct cn_json_value *value)
{
    switch (peek(p)) {
    case '"':
        value->type = CN_JSON_STRING;
        return parse_string(p, &value->string, &value->n_string);
    case '[':
        value->type = CN_JSON_ARRAY;
        p->pos++;
        return CN_OK;
    case '{':
        value->type = CN_JSON_OBJECT;
        p->pos++;
        return CN_OK;
    case 't':
        value->type = CN_JSON_BOOL;
        value->boolean = true;
        return parse_word(p, "true");
    case 'f':
        value->type = CN_JSON_BOOL;
        return parse_word(p, "false");
    case 'n':
        return parse_word(p, "null");
    default:
        if (peek(p) != '-' && (peek(p) < '0' || peek(p) > '9'))
            return fail(p, "a value");
        value->type = CN_JSON_NUMBER;
        return parse_number(p, value);
    }
}

static bool is_container(const struct cn_json_value *value)
{
    return value->type == CN_JSON_ARRAY || value->type == CN_JSON_OBJECT;
}

/* Each turn reads one value with the comma or the brackets around it; `parent` is the innermost
 * open container and `last` its latest child. */
static enum cn_status parse_document(struct parser *p)
{
    struct cn_json_value *parent = NULL, *last = NULL;
    size_t depth = 0;
    for (;;) {
        struct cn_json_value *value = &p->json->values[p->n_values++];
        *value = (struct cn_json_value){ .type = CN_JSON_NULL, .parent = parent };
        skip_space(p);
        if (parent && parent->type == CN_JSON_OBJECT) {
            CN_TRY(parse_string(p, &value->key, &value->n_key));
            skip_space(p);
            if (peek(p) != ':')
                return fail(p, "':'");
            p->pos++;
            skip_space(p);
        }
        value->begin = p->pos;
        CN_TRY(parse_value(p, value));
        value->end = p->pos;
        if (parent) {
            parent->n_children++;
            if (last)
                last->next = value;
            else
                parent->first = value;
        }
        last = value;
        skip_space(p);
        if (is_container(value)) {
            if (++depth > CN_JSON_MAX_DEPTH)
                return fail(p, "no deeper nesting");
            parent = value;
            last = NULL;
            if (peek(p) != (value->type == CN_JSON_ARRAY ? ']' : '}'))
                continue;
        }
        while (parent && peek(p) == (parent->type == CN_JSON_ARRAY ? ']' : '}')) {
            p->pos++;
            depth--;
            last = parent;
            /* Parents are our own values; only readers see them const. */
            p->json->values[parent - p->json->values].end = p->pos;
            parent = parent->parent ? &p->json->values[parent->parent - p->json->values] : NULL;
            skip_space(p);
        }
        if (!parent)
            return p->pos < p->n ? fail(p, "nothing more") : CN_OK;
        if (peek(p) != ',')
            return fail(p, parent->type == CN_JSON_ARRAY ? "',' or ']'" : "',' or '}'");
        p->pos++;
    }
}

/* An upper bound: each value but the root follows a comma or an opening bracket. */
static size_t count_values(const char *text, size_t n)
{
    size_t count = 1;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (quoted && text[i] == '\\')
            i++;
        else if (!quoted)
            count += text[i] == ',' || text[i] == '[' || text[i] == '{';
    }
    return count;
}

enum cn_status cn_json_parse(const char *text, size_t n, const char *name, struct cn_json **json,
                             struct cn_error *err)
{
    struct cn_json *doc = calloc(1, sizeof *doc);
    if (doc) {
        doc->values = calloc(count_values(text, n), sizeof *doc->values);
        doc->strings = malloc(n + 1);
    }
    if (!doc || !doc->values || !doc->strings) {
        cn_json_free(doc);
        return cn_fail(err, CN_ERR_MEMORY, "%s: no memory for %zu bytes of JSON", name, n);
    }
    struct parser p = { .text = text,
                        .name = name,
                        .n = n,
                        .pos = cn_byte_order_mark(text, n),
                        .json = doc,
                        .err = err };
    enum cn_status status = parse_document(&p);
    if (status == CN_OK)
        *json = doc;
    else
        cn_json_free(doc);
    return status;
}

void cn_json_free(struct cn_json *json)
{
    if (!json)
        return;
    free(json->values);
    free(json->strings);
    free(json);
}

const struct cn_json_value *cn_json_root(const struct cn_json *json)
{
    return &json->values[0];
}

const struct cn_json_value *cn_json_get(const struct cn_json_value *value, const char *key)
{
    if (!value || value->type != CN_JSON_OBJECT)
        return NULL;
    size_t n = strlen(key);
    for (const struct cn_json_value *child = value->first; child; child = child->next)
        if (child->n_key == n && !memcmp(child->key, key, n))
            return child;
    return NULL;
}

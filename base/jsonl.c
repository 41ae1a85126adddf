/* SPDX-License-Identifier: MIT */
#include "base/jsonl.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/plain_text.h"

enum { MAX_DEPTH = 32 };

static char *blank(char *s)
{
    return s + strspn(s, " \t\r\n");
}

static int hex4(const char *s)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)s[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* s is after the opening quote. Unescapes in place; *end is after the closing one. A lone half of a
 * surrogate pair is kept as three bytes: only names and reasons pass here. */
static const char *string(char *s, char **end)
{
    char *out = s;
    for (; *s != '"'; s++) {
        if ((unsigned char)*s < 0x20)
            return "a string does not end";
        if (*s != '\\') {
            *out++ = *s;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        s++;
        const char *known = *s ? strchr(from, *s) : NULL;
        if (known) {
            *out++ = to[known - from];
        } else if (*s == 'u') {
            int c = hex4(s + 1);
            if (c <= 0)
                return "bad \\u escape";
            out = put_utf8(out, (unsigned)c);
            s += 4;
        } else {
            return "bad escape";
        }
    }
    *out = 0;
    *end = s + 1;
    return NULL;
}

/* Skips an array or object by its brackets. */
static const char *nested(char *s, char **end)
{
    int depth = 0;
    for (; *s; s++) {
        if (*s == '"') {
            for (s++; *s && *s != '"'; s++)
                if (*s == '\\' && s[1])
                    s++;
            if (!*s)
                return "a string does not end";
        } else if (*s == '[' || *s == '{') {
            if (++depth > MAX_DEPTH)
                return "nested too deep";
        } else if (*s == ']' || *s == '}') {
            if (--depth == 0) {
                *end = s + 1;
                return NULL;
            }
        }
    }
    return "brackets do not match";
}

static const char *number(char *s, char **end, struct cn_json_value *v)
{
    if (*s != '-' && !(*s >= '0' && *s <= '9'))
        return "not a value";
    size_t len = strspn(s, "-+0123456789.eE");
    char after = s[len];
    s[len] = 0; /* so that strtod sees no hexadecimal, no nan */
    char *stop;
    v->number = strtod(s, &stop);
    bool ok = stop == s + len && isfinite(v->number);
    errno = 0;
    v->integer = strtoll(s, &stop, 10);
    v->is_integer = stop == s + len && errno == 0;
    s[len] = after;
    *end = s + len;
    v->kind = CN_JSON_NUMBER;
    return ok ? NULL : "not a number";
}

static const char *value(char *s, char **end, struct cn_json_value *v)
{
    static const struct {
        const char *text;
        enum cn_json_kind kind;
        int number;
    } words[] = {
        {"null",   CN_JSON_NULL, 0},
        { "true",  CN_JSON_BOOL, 1},
        { "false", CN_JSON_BOOL, 0}
    };
    *v = (struct cn_json_value){ 0 };
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i].text);
        if (!strncmp(s, words[i].text, len)) {
            v->kind = words[i].kind;
            v->number = words[i].number;
            *end = s + len;
            return NULL;
        }
    }
    if (*s == '"') {
        v->kind = CN_JSON_STRING;
        v->string = s + 1;
        return string(s + 1, end);
    }
    if (*s == '{' || *s == '[') {
        v->kind = CN_JSON_NESTED;
        return nested(s, end);
    }
    return number(s, end, v);
}

const char *cn_json_line(char *line, cn_json_member *member, void *user)
{
    char *s = blank(line + cn_byte_order_mark(line, strlen(line)));
    if (*s != '{')
        return "expected an object";
    s = blank(s + 1);
    for (bool first = true; *s != '}'; first = false) {
        if (!first) {
            if (*s != ',')
                return "expected , or }";
            s = blank(s + 1);
        }
        if (*s != '"')
            return "expected a key";
        const char *key = s + 1;
        const char *fault = string(s + 1, &s);
        if (fault)
            return fault;
        s = blank(s);
        if (*s != ':')
            return "expected :";
        struct cn_json_value v;
        fault = value(blank(s + 1), &s, &v);
        if (fault)
            return fault;
        member(user, key, &v);
        s = blank(s);
    }
    return *blank(s + 1) ? "text after the object" : NULL;
}

void cn_json_string(FILE *out, const char *text)
{
    if (!text) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void cn_json_number(FILE *out, double number)
{
    if (isfinite(number))
        fprintf(out, "%.9g", number);
    else
        fputs("null", out);
}

/* SPDX-License-Identifier: MIT */
#include "serve/json_text.h"

#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cn_json_text_free(struct cn_json_text *text)
{
    free(text->p);
    *text = (struct cn_json_text){ 0 };
}

/* Room for n more bytes and a NUL. */
static bool reserve(struct cn_json_text *text, size_t n)
{
    if (text->failed)
        return false;
    if (n < text->capacity - text->n)
        return true;
    const size_t capacity = 2 * text->n + n + 64;
    char *grown = n < SIZE_MAX / 4 - text->n ? realloc(text->p, capacity) : NULL;
    text->failed = !grown;
    if (!grown)
        return false;
    text->p = grown;
    text->capacity = capacity;
    return true;
}

void cn_json_text_add(struct cn_json_text *text, const char *p, size_t n)
{
    if (!reserve(text, n))
        return;
    if (n > 0)
        memcpy(text->p + text->n, p, n);
    text->n += n;
    text->p[text->n] = '\0';
}

void cn_json_text_say(struct cn_json_text *text, const char *format, ...)
{
    char room[512];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof room) {
        cn_json_text_add(text, room, (size_t)n);
    } else if (n >= 0 && reserve(text, (size_t)n)) {
        va_start(args, format);
        vsnprintf(text->p + text->n, (size_t)n + 1, format, args);
        va_end(args);
        text->n += (size_t)n;
    } else {
        text->failed = true;
    }
}

void cn_json_text_string(struct cn_json_text *text, const char *p, size_t n)
{
    if (!p) {
        cn_json_text_add(text, "null", 4);
        return;
    }
    cn_json_text_add(text, "\"", 1);
    size_t plain = 0; /* bytes before `at` that are written as they are */
    for (size_t at = 0, length; at < n; at += length) {
        const uint32_t c = cn_utf8_next(p + at, n - at, &length);
        if (c >= 0x20 && c != '"' && c != '\\' && c != CN_UTF8_INVALID) {
            plain += length;
            continue;
        }
        cn_json_text_add(text, p + at - plain, plain);
        plain = 0;
        if (c == CN_UTF8_INVALID)
            cn_json_text_add(text, "\xef\xbf\xbd", 3);
        else if (c == '\n')
            cn_json_text_add(text, "\\n", 2);
        else if (c < 0x20)
            cn_json_text_say(text, "\\u%04x", (unsigned)c);
        else
            cn_json_text_say(text, "\\%c", (char)c);
    }
    cn_json_text_add(text, p + n - plain, plain);
    cn_json_text_add(text, "\"", 1);
}

void cn_json_text_number(struct cn_json_text *text, double number)
{
    if (isfinite(number))
        cn_json_text_say(text, "%.9g", number);
    else
        cn_json_text_add(text, "null", 4);
}

void cn_json_text_drop(struct cn_json_text *text, size_t n)
{
    if (n == 0)
        return;
    memmove(text->p, text->p + n, text->n - n + 1);
    text->n -= n;
}

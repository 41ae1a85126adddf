/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Two names of the longest kind, and what is said of them. */
enum { LONGEST = 10240 };

static bool inside_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void cn_format_fit(char *text, size_t n_bytes, const char *format, va_list args)
{
    const int reason = errno;
    char whole[LONGEST];
    const int wanted = vsnprintf(whole, sizeof whole, format, args);
    const size_t n = wanted < 0 ? 0 : strlen(whole);
    whole[n] = 0;
    if (n < n_bytes || n_bytes < 16) {
        snprintf(text, n_bytes, "%s", whole);
    } else {
        /* Two thirds for the end: a reason and what to do about it may be long. */
        size_t n_begin = n_bytes / 3, n_end = n_bytes - 1 - 3 - n_begin;
        while (n_begin && inside_character(whole[n_begin]))
            n_begin--;
        while (n_end && inside_character(whole[n - n_end]))
            n_end--;
        snprintf(text, n_bytes, "%.*s...%s", (int)n_begin, whole, whole + n - n_end);
    }
    errno = reason;
}

enum cn_status cn_fail(struct cn_error *err, enum cn_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        cn_format_fit(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
}

enum cn_status cn_fail_errno(struct cn_error *err, const char *format, ...)
{
    const int reason = errno;
    if (err) {
        char what[sizeof err->text];
        va_list args;
        va_start(args, format);
        cn_format_fit(what, sizeof what, format, args);
        va_end(args);
        cn_fail(err, CN_OK, "%s: %s", what, strerror(reason));
    }
    errno = reason;
    return reason == ENOMEM ? CN_ERR_MEMORY : CN_ERR_IO;
}

const char *cn_status_name(enum cn_status status)
{
    switch (status) {
    case CN_OK:
        return "ok";
    case CN_ERR_ARGUMENT:
        return "bad argument";
    case CN_ERR_IO:
        return "input/output error";
    case CN_ERR_FORMAT:
        return "damaged file";
    case CN_ERR_UNSUPPORTED:
        return "not supported";
    case CN_ERR_MEMORY:
        return "out of memory";
    case CN_ERR_CONTEXT:
        return "context full";
    case CN_ERR_CANCELLED:
        return "cancelled";
    }
    return "unknown status";
}

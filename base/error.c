/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum cn_status cn_fail(struct cn_error *err, enum cn_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return status;
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

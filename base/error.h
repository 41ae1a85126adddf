/* SPDX-License-Identifier: MIT
 *
 * How the engine's functions report failure: fill the caller's cn_error, return the status.
 */
#ifndef CN_ERROR_H
#define CN_ERROR_H

#include "base/status.h"

/* Formats the text into err (which may be NULL) and returns `status`. */
__attribute__((format(printf, 3, 4))) enum cn_status
cn_fail(struct cn_error *err, enum cn_status status, const char *format, ...);

#define CN_RETURN_IF(cond, status, err, ...)          \
    do {                                              \
        if (cond)                                     \
            return cn_fail(err, status, __VA_ARGS__); \
    } while (0)

#define CN_TRY(expr)                           \
    do {                                       \
        enum cn_status cn_try_status = (expr); \
        if (cn_try_status != CN_OK)            \
            return cn_try_status;              \
    } while (0)

#endif

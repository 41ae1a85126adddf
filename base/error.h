/* SPDX-License-Identifier: MIT
 *
 * How functions report failure: fill the caller's cn_error, return the status. A reason of the
 * operating system gets into the text where the call failed, and nowhere else.
 */
#ifndef CN_ERROR_H
#define CN_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#include "base/status.h"

/* Formats the text into err (which may be NULL) and returns `status`. errno stays as it is. */
__attribute__((format(printf, 3, 4))) enum cn_status
cn_fail(struct cn_error *err, enum cn_status status, const char *format, ...);

/* The same for a call of the system that has just failed: the text, ": " and what errno means.
 * Returns CN_ERR_MEMORY for ENOMEM, else CN_ERR_IO. errno stays as it is. */
__attribute__((format(printf, 2, 3))) enum cn_status cn_fail_errno(struct cn_error *err,
                                                                   const char *format, ...);

/* Formats into text[n_bytes]. What is longer loses its middle, where "..." stands then: names are
 * at the beginning of a message, and the reason is its end. errno stays as it is. */
__attribute__((format(printf, 3, 0))) void cn_format_fit(char *text, size_t n_bytes,
                                                         const char *format, va_list args);

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

/* SPDX-License-Identifier: MIT
 *
 * Strings with a length.
 */
#ifndef CN_STR_H
#define CN_STR_H

#include <stddef.h>

/* A string in the mapped file: any bytes, no terminator. */
struct cn_str {
    const char *p;
    size_t n;
};

/* Writes s to buf as one line of valid UTF-8 for a message: quotes, backslashes, control characters
 * and bytes that are not UTF-8 as \xHH, cut with "..." to fit n (at least 8). Returns buf. */
enum { CN_SHOW_BYTES = 96 };
const char *cn_str_show(struct cn_str s, char *buf, size_t n);

#endif

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

#endif

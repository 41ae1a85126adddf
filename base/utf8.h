/* SPDX-License-Identifier: MIT
 *
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing beyond U+10FFFF.
 */
#ifndef CN_UTF8_H
#define CN_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define CN_UTF8_INVALID 0xfffffffful

/* Decodes the character at p[0..n), n >= 1. Returns its code point and its length (1..4), or
 * CN_UTF8_INVALID and length 1 for a byte that does not start a whole, valid character. */
uint32_t cn_utf8_next(const char *p, size_t n, size_t *length);

/* Writes `cp` (<= 0x10FFFF, not a surrogate) to out (4 bytes); returns its length. */
size_t cn_utf8_put(uint32_t cp, char *out);

/* The number of leading bytes of p[0..n) that can be shown now: all but a last character that is
 * still incomplete. Invalid bytes count as whole, so that nothing is held back for ever; at most 3
 * bytes are. */
size_t cn_utf8_complete(const char *p, size_t n);

#endif

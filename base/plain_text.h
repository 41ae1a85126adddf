/* SPDX-License-Identifier: MIT
 *
 * What editors and other systems do to a text without changing what it says.
 */
#ifndef CN_PLAIN_TEXT_H
#define CN_PLAIN_TEXT_H

#include <stddef.h>

/* The bytes of a byte-order mark at the start of text[n]: 3, or 0. */
size_t cn_byte_order_mark(const char *text, size_t n);

/* Takes a byte-order mark off the start of text[n], and every CR that stands before an LF; in
 * place. Returns what is left; text[that] is NUL if anything was taken. */
size_t cn_plain_text(char *text, size_t n);

#endif

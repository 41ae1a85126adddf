/* SPDX-License-Identifier: MIT
 *
 * The classes of code points that pre-tokenizers tell apart (general categories and White_Space of
 * the Unicode character database).
 */
#ifndef CN_UNICODE_H
#define CN_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* The numbers are those scripts/unicode.sh writes. */
enum cn_uclass {
    CN_U_NONE = 0, /* control, format, private use, unassigned, beyond U+10FFFF */
    CN_U_LU = 1,   /* letters: upper case, lower case, title case, modifier, other */
    CN_U_LL = 2,
    CN_U_LT = 3,
    CN_U_LM = 4,
    CN_U_LO = 5,
    CN_U_M = 6,      /* marks */
    CN_U_ND = 7,     /* decimal digits */
    CN_U_P = 8,      /* punctuation, but for CN_U_PC */
    CN_U_S = 9,      /* symbols */
    CN_U_SPACE = 10, /* White_Space, whatever its category */
    CN_U_NL = 11,    /* numbers: letters, others */
    CN_U_NO = 12,
    CN_U_PC = 13 /* punctuation that connects words: _ and its like */
};

/* Any value of `cp` is allowed. */
enum cn_uclass cn_unicode_class(uint32_t cp);

/* unicode_tables.c, written by scripts/unicode.sh. Ranges: each entry is (first code point << 4 |
 * class) and reaches to the next one; the first starts at 0. The classes of ASCII stand apart
 * because most of most texts is ASCII. */
extern const uint32_t cn_unicode_ranges[];
extern const size_t cn_n_unicode_ranges;
extern const uint8_t cn_unicode_ascii[128];

#endif

/* SPDX-License-Identifier: MIT
 *
 * Upper, lower and title case of single characters, as the Unicode character database has them.
 */
#ifndef CN_UNICODE_CASE_H
#define CN_UNICODE_CASE_H

#include <stddef.h>
#include <stdint.h>

enum cn_case { CN_CASE_UPPER, CN_CASE_LOWER, CN_CASE_TITLE };

enum { CN_CASE_MAX = 3 }; /* characters that one may become */

/* Writes what `cp` becomes (itself if it has no such case) to out; returns how many characters that
 * is, 1 to CN_CASE_MAX. The small sigma at the end of a word is the caller's affair. Any value of
 * `cp` is allowed. */
size_t cn_unicode_case(uint32_t cp, enum cn_case to, uint32_t out[CN_CASE_MAX]);

/* unicode_case_tables.c, written by scripts/unicode_case.sh. Every `step`th code point of first
 * to last moves by `delta`; runs are sorted and do not overlap. */
struct cn_case_run {
    uint32_t first, last;
    int32_t step, delta;
};
extern const struct cn_case_run cn_case_upper[], cn_case_lower[], cn_case_title[];
extern const size_t cn_n_case_upper, cn_n_case_lower, cn_n_case_title;

/* Characters that become several; sorted. What is not used of an array is 0. */
struct cn_case_special {
    uint32_t cp;
    uint32_t upper[CN_CASE_MAX], lower[CN_CASE_MAX], title[CN_CASE_MAX];
};
extern const struct cn_case_special cn_case_specials[];
extern const size_t cn_n_case_specials;

#endif

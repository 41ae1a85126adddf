/* SPDX-License-Identifier: MIT
 *
 * Sets of characters that the expressions of pre-tokenizers list one by one, instead of naming a
 * class of Unicode's.
 */
#ifndef CN_CODE_POINTS_H
#define CN_CODE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cn_code_points {
    const uint32_t (*ranges)[2]; /* [n] first and last, rising */
    size_t n;
};

extern const struct cn_code_points cn_letters_with_case; /* what deepseek-llm lists as letters */
extern const struct cn_code_points cn_deepseek_punctuation;
extern const struct cn_code_points cn_deepseek_han;
extern const struct cn_code_points cn_han_and_kana;
extern const struct cn_code_points cn_hangul;
extern const struct cn_code_points cn_wide_punctuation;
extern const struct cn_code_points cn_bopomofo;
extern const struct cn_code_points cn_alphabetic_symbols; /* Alphabetic, but of category So */

/* Any value of cp is allowed. */
bool cn_code_points_has(const struct cn_code_points *set, uint32_t cp);

#endif

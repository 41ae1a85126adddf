/* SPDX-License-Identifier: MIT
 *
 * Constants that several formats share.
 */
#ifndef CN_CODEBOOKS_H
#define CN_CODEBOOKS_H

#include <stdint.h>

/* Levels of the 4-bit codes of IQ4_NL and IQ4_XS, ascending. */
extern const int8_t cn_iq4_levels[16];

/* Levels of codes of 2, 3 and 5 bits: IQ2_K and IQ2_KS, IQ3_K and IQ3_KS, IQ5_K and IQ5_KS. (IQ4_K,
 * IQ4_KS and IQ4_KSS have those of IQ4_NL.) A group of these formats may have its levels shifted up
 * by a constant. */
extern const int8_t cn_iq2_levels[4], cn_iq3_levels[8], cn_iq5_levels[32];
enum { CN_IQ2_SHIFT = 5, CN_IQ3_SHIFT = 4, CN_IQ4_SHIFT = 4, CN_IQ5_SHIFT = 2, CN_IQ6_SHIFT = 1 };

/* The 7-bit sign codes of IQ2_XXS, IQ2_XS and IQ3_XXS as masks: bit j set, element j of 8 is
 * negative. Bits 0-6 are the code, bit 7 makes the number of set bits even. */
extern const uint8_t cn_iq_signs[128];

/* IQ1_S and IQ1_M: eight ternary values as signed bytes, the first in the lowest byte. */
extern const uint64_t cn_iq1_grid[2048];

#endif

/* SPDX-License-Identifier: MIT
 *
 * Constants that several formats share.
 */
#ifndef CN_CODEBOOKS_H
#define CN_CODEBOOKS_H

#include <stdint.h>

/* Levels of the 4-bit codes of IQ4_NL and IQ4_XS, ascending. */
extern const int8_t cn_iq4_levels[16];

/* The 7-bit sign codes of IQ2_XXS, IQ2_XS and IQ3_XXS as masks: bit j set, element j of 8 is
 * negative. Bits 0-6 are the code, bit 7 makes the number of set bits even. */
extern const uint8_t cn_iq_signs[128];

/* IQ1_S and IQ1_M: eight ternary values as signed bytes, the first in the lowest byte. */
extern const uint64_t cn_iq1_grid[2048];

#endif

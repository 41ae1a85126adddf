/* SPDX-License-Identifier: MIT
 *
 * The scales and minima of Q4_K and Q5_K (quant/ref/k_scales.h), four at a time in a word.
 */
#ifndef CN_K_SCALES_ARM_H
#define CN_K_SCALES_ARM_H

#include "quant/arm/simd_arm.h"

/* From four low 6-bit numbers, whose upper two bits belong to the other four, and those's low 4
 * bits. */
ALWAYS uint8x8_t k_numbers(uint32_t low, uint32_t high)
{
    return vcreate_u8((low & 0x3f3f3f3f) | (uint64_t)((high & 0x0f0f0f0f) | (low >> 2 & 0x30303030))
                                               << 32);
}

ALWAYS uint8x8_t k_scales(const uint8_t *s)
{
    return k_numbers(load32(s), load32(s + 8));
}

ALWAYS uint8x8_t k_mins(const uint8_t *s)
{
    return k_numbers(load32(s + 4), load32(s + 8) >> 4);
}

#endif

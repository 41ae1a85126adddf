/* SPDX-License-Identifier: MIT
 *
 * IQ3_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | u16 shifts | u16 signs | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x low 2 bits |
 *   | 32 bytes: third bits |
 *
 *   w = d * (2 * scale[g] + 1) * (level[code] + 4 * shift[g]),  g = element / 16, negated where its
 *   bit of the signs is set
 *
 * The eight levels are a table in a register (tbl).
 */
#ifndef CN_IQ3_K_ARM_H
#define CN_IQ3_K_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq3_k.h"

ALWAYS int8x16_t iq3_k_signed(const struct cn_block_iq3_k *b)
{
    const uint8x16_t n = nibbles_of8(b->scale);
    const uint8x16_t negative = mask_of_bits(
        vcombine_u8(vdup_n_u8((uint8_t)b->negative), vdup_n_u8((uint8_t)(b->negative >> 8))));
    return negated(vaddq_u8(vaddq_u8(n, n), vdupq_n_u8(1)), negative);
}

ALWAYS int8x16_t iq3_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq3_k *b = (const void *)step;
    return shifted_by_bit(levels_of_3_bits(b->q, b->hi, i), b->shift, i, CN_IQ3_SHIFT);
}

ALWAYS struct arm_scales16 iq3_k_scales(const uint8_t *step)
{
    const struct cn_block_iq3_k *b = (const void *)step;
    return (struct arm_scales16){ .scale = iq3_k_signed(b), .d = half_at(&b->d) };
}

static const struct arm_format iq3_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq3_k),
    .sub = 16,
    .largest = 63,
    .bias = 63,
    .codes = iq3_k_codes,
    .scales16 = iq3_k_scales,
};

#endif

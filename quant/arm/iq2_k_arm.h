/* SPDX-License-Identifier: MIT
 *
 * IQ2_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | u16 shifts | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x 2-bit code |
 *
 *   w = d * (scale[g] - 8) * (level[code] + 5 * shift[g]),  g = element / 16
 *
 * The four levels are a table in a register (tbl).
 */
#ifndef CN_IQ2_K_ARM_H
#define CN_IQ2_K_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq2_k.h"

ALWAYS int8x16_t iq2_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_k *b = (const void *)step;
    return shifted_by_bit(levels_of_2_bits(b->q, i), b->shift, i, CN_IQ2_SHIFT);
}

ALWAYS struct arm_scales16 iq2_k_scales(const uint8_t *step)
{
    const struct cn_block_iq2_k *b = (const void *)step;
    return (struct arm_scales16){ .scale = vsubq_s8(as_codes(nibbles_of8(b->scale)), vdupq_n_s8(8)),
                                  .d = half_at(&b->d) };
}

static const struct arm_format iq2_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_k),
    .sub = 16,
    .largest = 31,
    .bias = 31,
    .codes = iq2_k_codes,
    .scales16 = iq2_k_scales,
};

#endif

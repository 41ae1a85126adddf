/* SPDX-License-Identifier: MIT
 *
 * IQ4_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | u16 shifts | 4 bytes: high 2 bits, 8 bytes: low 4 bits of 16 scales |
 *   | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * (scale[g] - 32) * (level[code] + 4 * shift[g]),  g = element / 16
 *
 * The 16 levels are a table in a register (tbl).
 */
#ifndef CN_IQ4_K_ARM_H
#define CN_IQ4_K_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq4_k.h"

ALWAYS int8x16_t iq4_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq4_k *b = (const void *)step;
    return shifted_by_bit(levels_of_4_bits(b->q, i), b->shift, i, CN_IQ4_SHIFT);
}

ALWAYS struct arm_scales16 iq4_k_scales(const uint8_t *step)
{
    const struct cn_block_iq4_k *b = (const void *)step;
    return (struct arm_scales16){ .scale = scales_of_6_bits(b->scale_hi, b->scale_lo),
                                  .d = half_at(&b->d) };
}

static const struct arm_format iq4_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq4_k),
    .sub = 16,
    .largest = 127,
    .bias = 127,
    .codes = iq4_k_codes,
    .scales16 = iq4_k_scales,
};

#endif

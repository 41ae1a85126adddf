/* SPDX-License-Identifier: MIT
 *
 * IQ5_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | u16 shifts | 4 bytes: high 2 bits, 8 bytes: low 4 bits of 16 scales |
 *   | 128 bytes: 256 x low 4 bits | 32 bytes: fifth bits |
 *
 *   w = d * (scale[g] - 32) * (level[code] + 2 * shift[g]),  g = element / 16
 *
 * The 32 levels are a table in two registers (tbl).
 */
#ifndef CN_IQ5_K_ARM_H
#define CN_IQ5_K_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq5_k.h"

ALWAYS int8x16_t iq5_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq5_k *b = (const void *)step;
    return shifted_by_bit(levels_of_5_bits(b->q, b->hi, i), b->shift, i, CN_IQ5_SHIFT);
}

ALWAYS struct arm_scales16 iq5_k_scales(const uint8_t *step)
{
    const struct cn_block_iq5_k *b = (const void *)step;
    return (struct arm_scales16){ .scale = scales_of_6_bits(b->scale_hi, b->scale_lo),
                                  .d = half_at(&b->d) };
}

static const struct arm_format iq5_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq5_k),
    .sub = 16,
    .largest = 126,
    .bias = 126,
    .codes = iq5_k_codes,
    .scales16 = iq5_k_scales,
};

#endif

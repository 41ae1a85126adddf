/* SPDX-License-Identifier: MIT
 *
 * Q2_K for Arm: how its codes and scales are taken apart.
 *
 *   | 16 bytes: 4-bit scale, 4-bit min | 64 bytes: 256 x 2-bit code | d f16 | dmin f16 |
 *
 *   w = d * scale[e / 16] * code - dmin * min[e / 16]
 *
 * Scales and minima are applied in integers, the minima to the sums of the activations.
 */
#ifndef CN_Q2_K_ARM_H
#define CN_Q2_K_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q2_k.h"

/* Run g of 32 in a half of 128 has bits 2g, 2g + 1 of that half's 32 bytes. */
ALWAYS int8x16_t q2_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q2_k *b = (const void *)step;
    return as_codes(bits(vld1q_u8(b->q + i / 8 * 32 + i % 2 * 16), i % 8 / 2 * 2, 2, 0));
}

ALWAYS struct arm_scales16 q2_k_scales(const uint8_t *step)
{
    const struct cn_block_q2_k *b = (const void *)step;
    const uint8x16_t v = vld1q_u8(b->scales);
    return (struct arm_scales16){ .scale = as_codes(bits(v, 0, 4, 0)),
                                  .min = bits(v, 4, 4, 0),
                                  .d = half_at(&b->d),
                                  .dmin = half_at(&b->dmin) };
}

static const struct arm_format q2_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_q2_k),
    .sub = 16,
    .largest = 3,
    .has_min = true,
    .codes = q2_k_codes,
    .scales16 = q2_k_scales,
};

#endif

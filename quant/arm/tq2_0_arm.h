/* SPDX-License-Identifier: MIT
 *
 * TQ2_0 for Arm: how its codes and scales are taken apart.
 *
 *   | 64 bytes: 256 x 2-bit code | d f16 |        w = d * (code - 1)
 *
 * The offset is taken out with the sums of the activations, in integers.
 */
#ifndef CN_TQ2_0_ARM_H
#define CN_TQ2_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/tq2_0.h"

/* Run g of 32 in a half of 128 has bits 2g, 2g + 1 of that half's 32 bytes. */
ALWAYS int8x16_t tq2_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_tq2_0 *b = (const void *)step;
    return as_codes(bits(vld1q_u8(b->q + i / 8 * 32 + i % 2 * 16), i % 8 / 2 * 2, 2, 0));
}

ALWAYS float32x4x2_t tq2_0_scales(const uint8_t *step)
{
    const struct cn_block_tq2_0 *b = (const void *)step;
    const float32x4_t d = vdupq_n_f32(half_at(&b->d));
    return (float32x4x2_t){
        {d, d}
    };
}

static const struct arm_format tq2_0_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_tq2_0),
    .sub = 32,
    .largest = 3,
    .offset = 1,
    .codes = tq2_0_codes,
    .scales = tq2_0_scales,
};

#endif

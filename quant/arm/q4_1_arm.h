/* SPDX-License-Identifier: MIT
 *
 * Q4_1 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | m f16 | 16 bytes: 32 x 4-bit code |        w = d * code + m
 *
 * The addends meet the sums of the activations, eight blocks at a time.
 */
#ifndef CN_Q4_1_ARM_H
#define CN_Q4_1_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q4_1.h"

ALWAYS int8x16_t q4_1_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q4_1 *b = (const struct cn_block_q4_1 *)(const void *)step + i / 2;
    return as_codes(bits(vld1q_u8(b->q), i % 2 * 4, 4, 0));
}

ALWAYS float32x4x2_t q4_1_scales(const uint8_t *step)
{
    return halves_at(step, sizeof(struct cn_block_q4_1));
}

/* Subtracted here, added in the format. */
ALWAYS float32x4x2_t q4_1_mins(const uint8_t *step)
{
    const float32x4x2_t m =
        halves_at(step + offsetof(struct cn_block_q4_1, m), sizeof(struct cn_block_q4_1));
    return (float32x4x2_t){
        {vnegq_f32(m.val[0]), vnegq_f32(m.val[1])}
    };
}

static const struct arm_format q4_1_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_q4_1),
    .sub = 32,
    .largest = 15,
    .has_min = true,
    .codes = q4_1_codes,
    .scales = q4_1_scales,
    .mins = q4_1_mins,
};

#endif

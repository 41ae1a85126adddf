/* SPDX-License-Identifier: MIT
 *
 * Q4_0 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * (code - 8)
 *
 * The offset is taken out with the sums of the activations, in integers.
 */
#ifndef CN_Q4_0_ARM_H
#define CN_Q4_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q4_0.h"

ALWAYS int8x16_t q4_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q4_0 *b = (const struct cn_block_q4_0 *)(const void *)step + i / 2;
    return as_codes(bits(vld1q_u8(b->q), i % 2 * 4, 4, 0));
}

ALWAYS float32x4x2_t q4_0_scales(const uint8_t *step)
{
    return halves_at(step, sizeof(struct cn_block_q4_0));
}

static const struct arm_format q4_0_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_q4_0),
    .sub = 32,
    .largest = 15,
    .offset = 8,
    .codes = q4_0_codes,
    .scales = q4_0_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q8_1 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | s f16 | 32 signed bytes |        w = d * byte
 *
 * Nothing to unpack; the scales of eight blocks are converted at once.
 */
#ifndef CN_Q8_1_ARM_H
#define CN_Q8_1_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q8_1.h"

ALWAYS int8x16_t q8_1_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q8_1 *b = (const struct cn_block_q8_1 *)(const void *)step + i / 2;
    return vld1q_s8(b->q + i % 2 * 16);
}

ALWAYS float32x4x2_t q8_1_scales(const uint8_t *step)
{
    return halves_at(step, sizeof(struct cn_block_q8_1));
}

static const struct arm_format q8_1_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_q8_1),
    .sub = 32,
    .largest = 128,
    .bias = 128,
    .codes = q8_1_codes,
    .scales = q8_1_scales,
};

#endif

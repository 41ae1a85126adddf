/* SPDX-License-Identifier: MIT
 *
 * Q1_0 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 16 bytes: 128 bits |        w = bit ? d : -d
 *
 * A byte is put where its eight columns are (tbl) and tested bit by bit: codes are 0 and 2. The
 * offset 1 is taken out with the sums of the activations, in integers.
 */
#ifndef CN_Q1_0_ARM_H
#define CN_Q1_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q1_0.h"

ALWAYS int8x16_t q1_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q1_0 *b = (const struct cn_block_q1_0 *)(const void *)step + i / 8;
    return as_codes(vandq_u8(mask_of_bits(spread_pair(vld1q_u8(b->q), i % 8)), vdupq_n_u8(2)));
}

ALWAYS float32x4x2_t q1_0_scales(const uint8_t *step)
{
    const struct cn_block_q1_0 *b = (const void *)step;
    return (float32x4x2_t){
        {vdupq_n_f32(half_at(&b[0].d)), vdupq_n_f32(half_at(&b[1].d))}
    };
}

static const struct arm_format q1_0_arm = {
    .block_elems = 128,
    .block_bytes = sizeof(struct cn_block_q1_0),
    .sub = 32,
    .largest = 2,
    .offset = 1,
    .codes = q1_0_codes,
    .scales = q1_0_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q2_0 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 16 bytes: 64 x 2-bit code |        w = d * (code - 1)
 *
 * A byte is put where its four columns are (tbl) and shifted by another number of bits for each.
 * The offset is taken out with the sums of the activations, in integers.
 */
#ifndef CN_Q2_0_ARM_H
#define CN_Q2_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q2_0.h"

ALWAYS int8x16_t q2_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q2_0 *b = (const struct cn_block_q2_0 *)(const void *)step + i / 4;
    static const uint8_t byte[16] = { 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3 };
    static const int8_t shift[16] = { 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6 };
    const uint8x16_t at = vaddq_u8(vld1q_u8(byte), vdupq_n_u8((uint8_t)(4 * (i % 4))));
    const uint8x16_t v = vqtbl1q_u8(vld1q_u8(b->q), at);
    return as_codes(vandq_u8(vshlq_u8(v, vld1q_s8(shift)), vdupq_n_u8(3)));
}

ALWAYS float32x4x2_t q2_0_scales(const uint8_t *step)
{
    const struct cn_block_q2_0 *b = (const void *)step;
    const float32x2_t d0 = vdup_n_f32(half_at(&b[0].d)), d1 = vdup_n_f32(half_at(&b[1].d)),
                      d2 = vdup_n_f32(half_at(&b[2].d)), d3 = vdup_n_f32(half_at(&b[3].d));
    return (float32x4x2_t){
        {vcombine_f32(d0, d1), vcombine_f32(d2, d3)}
    };
}

static const struct arm_format q2_0_arm = {
    .block_elems = 64,
    .block_bytes = sizeof(struct cn_block_q2_0),
    .sub = 32,
    .largest = 3,
    .offset = 1,
    .codes = q2_0_codes,
    .scales = q2_0_scales,
};

#endif

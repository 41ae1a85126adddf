/* SPDX-License-Identifier: MIT
 *
 * Q8_K for Arm: how its codes and scales are taken apart.
 *
 *   | d float | 256 signed bytes | 16 x i16: sums |        w = d * byte
 *
 * Nothing to unpack, one scale for all.
 */
#ifndef CN_Q8_K_ARM_H
#define CN_Q8_K_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q8_k.h"

ALWAYS int8x16_t q8_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q8_k *b = (const void *)step;
    return vld1q_s8(b->q + i * 16);
}

ALWAYS float32x4x2_t q8_k_scales(const uint8_t *step)
{
    const struct cn_block_q8_k *b = (const void *)step;
    const float32x4_t d = vdupq_n_f32(b->d);
    return (float32x4x2_t){
        {d, d}
    };
}

static const struct arm_format q8_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_q8_k),
    .sub = 32,
    .largest = 128,
    .bias = 128,
    .codes = q8_k_codes,
    .scales = q8_k_scales,
};

#endif

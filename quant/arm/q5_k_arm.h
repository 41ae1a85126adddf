/* SPDX-License-Identifier: MIT
 *
 * Q5_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 32 bytes: fifth bits |
 *   | 128 bytes: low 4 bits |
 *
 *   w = d * scale[g] * code - dmin * min[g]
 *
 * Like Q4_K; each group's fifth bit is moved to bit 4.
 */
#ifndef CN_Q5_K_ARM_H
#define CN_Q5_K_ARM_H

#include "quant/arm/k_scales_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/q5_k.h"

/* Low nibbles of 32 bytes are one group, high nibbles the next; group g has bit g of hi. */
ALWAYS int8x16_t q5_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q5_k *b = (const void *)step;
    const uint8x16_t lo = vld1q_u8(b->q + i / 4 * 32 + i % 2 * 16);
    const uint8x16_t hi = vld1q_u8(b->hi + i % 2 * 16);
    return as_codes(vorrq_u8(bits(lo, i / 2 % 2 * 4, 4, 0), bits(hi, i / 2, 1, 4)));
}

ALWAYS float32x4x2_t q5_k_scales(const uint8_t *step)
{
    const struct cn_block_q5_k *b = (const void *)step;
    return times(floats_of_u8(k_scales(b->scales)), half_at(&b->d));
}

ALWAYS float32x4x2_t q5_k_mins(const uint8_t *step)
{
    const struct cn_block_q5_k *b = (const void *)step;
    return times(floats_of_u8(k_mins(b->scales)), half_at(&b->dmin));
}

static const struct arm_format q5_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_q5_k),
    .sub = 32,
    .largest = 31,
    .has_min = true,
    .codes = q5_k_codes,
    .scales = q5_k_scales,
    .mins = q5_k_mins,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q4_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * scale[g] * code - dmin * min[g]
 *
 * The 6-bit scales are spread to bytes with masks, four in a word. The minima meet the sums of the
 * activations, eight groups at a time.
 */
#ifndef CN_Q4_K_ARM_H
#define CN_Q4_K_ARM_H

#include "quant/arm/k_scales_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/q4_k.h"

/* Low nibbles of 32 bytes are one group, high nibbles the next. */
ALWAYS int8x16_t q4_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q4_k *b = (const void *)step;
    return as_codes(bits(vld1q_u8(b->q + i / 4 * 32 + i % 2 * 16), i / 2 % 2 * 4, 4, 0));
}

ALWAYS float32x4x2_t q4_k_scales(const uint8_t *step)
{
    const struct cn_block_q4_k *b = (const void *)step;
    return times(floats_of_u8(k_scales(b->scales)), half_at(&b->d));
}

ALWAYS float32x4x2_t q4_k_mins(const uint8_t *step)
{
    const struct cn_block_q4_k *b = (const void *)step;
    return times(floats_of_u8(k_mins(b->scales)), half_at(&b->dmin));
}

static const struct arm_format q4_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_q4_k),
    .sub = 32,
    .largest = 15,
    .has_min = true,
    .codes = q4_k_codes,
    .scales = q4_k_scales,
    .mins = q4_k_mins,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q6_0 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 8 bytes: bits 4 and 5 | 16 bytes: low 4 bits |        w = d * (code - 32)
 *
 * The eight bytes of high bits serve 16 columns as they are and shifted by a nibble. The offset is
 * taken out with the sums of the activations, in integers.
 */
#ifndef CN_Q6_0_ARM_H
#define CN_Q6_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q6_0.h"

ALWAYS int8x16_t q6_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q6_0 *b = (const struct cn_block_q6_0 *)(const void *)step + i / 2;
    const uint8x8_t hi = vld1_u8(b->hi);
    const uint8x16_t high = vcombine_u8(hi, vshr_n_u8(hi, 4));
    return as_codes(vorrq_u8(bits(vld1q_u8(b->q), i % 2 * 4, 4, 0), bits(high, i % 2 * 2, 2, 4)));
}

ALWAYS float32x4x2_t q6_0_scales(const uint8_t *step)
{
    return halves_at(step, sizeof(struct cn_block_q6_0));
}

static const struct arm_format q6_0_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_q6_0),
    .sub = 32,
    .largest = 63,
    .offset = 32,
    .codes = q6_0_codes,
    .scales = q6_0_scales,
};

#endif

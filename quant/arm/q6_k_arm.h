/* SPDX-License-Identifier: MIT
 *
 * Q6_K for Arm: how its codes and scales are taken apart.
 *
 *   | 128 bytes: low 4 bits | 64 bytes: high 2 bits | 16 signed byte scales | d f16 |
 *
 *   w = d * scale[e / 16] * (code - 32)
 *
 * The offset is taken out with the sums of the activations, and the scales are applied, in
 * integers.
 */
#ifndef CN_Q6_K_ARM_H
#define CN_Q6_K_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q6_k.h"

/* Of the four runs of 32 in a half, runs 0 and 2 are the nibbles of the first 32 low bytes, 1 and 3
 * those of the other 32; run g has bits 2g, 2g + 1 of the high bytes. */
ALWAYS int8x16_t q6_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q6_k *b = (const void *)step;
    const int half = i / 8, run = i % 8 / 2, l = i % 2 * 16;
    const uint8x16_t lo = vld1q_u8(b->lo + 64 * half + 32 * (run % 2) + l);
    const uint8x16_t hi = vld1q_u8(b->hi + 32 * half + l);
    return as_codes(vorrq_u8(bits(lo, run / 2 * 4, 4, 0), bits(hi, 2 * run, 2, 4)));
}

ALWAYS struct arm_scales16 q6_k_scales(const uint8_t *step)
{
    const struct cn_block_q6_k *b = (const void *)step;
    return (struct arm_scales16){ .scale = vld1q_s8(b->scale), .d = half_at(&b->d) };
}

static const struct arm_format q6_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_q6_k),
    .sub = 16,
    .largest = 63,
    .offset = 32,
    .codes = q6_k_codes,
    .scales16 = q6_k_scales,
};

#endif

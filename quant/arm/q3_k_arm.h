/* SPDX-License-Identifier: MIT
 *
 * Q3_K for Arm: how its codes and scales are taken apart.
 *
 *   | 32 bytes: high bits | 64 bytes: low 2 bits | 12 bytes: 16 x 6-bit scale | d f16 |
 *
 *   w = d * (scale[e / 16] - 32) * (code - 4)
 *
 * The offset of the codes is taken out with the sums of the activations, and the scales are
 * applied, in integers.
 */
#ifndef CN_Q3_K_ARM_H
#define CN_Q3_K_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q3_k.h"

/* Run g of 32 in a half of 128 has bits 2g, 2g + 1 of that half's 32 bytes; run g of all eight has
 * bit g of the 32 high bytes. */
ALWAYS int8x16_t q3_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q3_k *b = (const void *)step;
    const uint8x16_t lo = vld1q_u8(b->q + i / 8 * 32 + i % 2 * 16);
    const uint8x16_t hi = vld1q_u8(b->hi + i % 2 * 16);
    return as_codes(vorrq_u8(bits(lo, i % 8 / 2 * 2, 2, 0), bits(hi, i / 2, 1, 2)));
}

/* Bytes 0-7 have the low 4 bits of scales 0-7 (low nibbles) and 8-15 (high nibbles); byte 8 + j % 4
 * has the high 2 bits of scale j at bit 2 (j / 4). */
ALWAYS struct arm_scales16 q3_k_scales(const uint8_t *step)
{
    const struct cn_block_q3_k *b = (const void *)step;
    const uint8x8_t lo = vld1_u8(b->scales);
    const uint32x4_t hi =
        vshlq_u32(vdupq_n_u32(load32(b->scales + 8)),
                  vcombine_s32(vcreate_s32(0xfffffffe00000000u), vcreate_s32(0xfffffffafffffffcu)));
    const uint8x16_t scale = vorrq_u8(vcombine_u8(vand_u8(lo, vdup_n_u8(15)), vshr_n_u8(lo, 4)),
                                      bits(vreinterpretq_u8_u32(hi), 0, 2, 4));
    return (struct arm_scales16){ .scale = vsubq_s8(as_codes(scale), vdupq_n_s8(32)),
                                  .d = half_at(&b->d) };
}

static const struct arm_format q3_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_q3_k),
    .sub = 16,
    .largest = 7,
    .offset = 4,
    .codes = q3_k_codes,
    .scales16 = q3_k_scales,
};

#endif

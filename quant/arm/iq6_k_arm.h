/* SPDX-License-Identifier: MIT
 *
 * IQ6_K for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | u16 shifts | 16 signed byte scales | 128 bytes: 256 x low 4 bits |
 *   | 64 bytes: 256 x high 2 bits |
 *
 *   w = d * scale[g] * (level[code] + shift[g]),  g = element / 16
 *
 * The 64 levels are a table in four registers (tbl).
 */
#ifndef CN_IQ6_K_ARM_H
#define CN_IQ6_K_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq6_k.h"

ALWAYS int8x16_t iq6_k_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq6_k *b = (const void *)step;
    const int8x16x4_t levels = vld1q_s8_x4(cn_iq6_k_levels);
    const uint8x16_t code = vorrq_u8(low_nibbles(b->q, i), bit_pairs(b->hi, i, 4));
    return shifted_by_bit(vqtbl4q_s8(levels, code), b->shift, i, CN_IQ6_SHIFT);
}

ALWAYS struct arm_scales16 iq6_k_scales(const uint8_t *step)
{
    const struct cn_block_iq6_k *b = (const void *)step;
    return (struct arm_scales16){ .scale = vld1q_s8(b->scale), .d = half_at(&b->d) };
}

static const struct arm_format iq6_k_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq6_k),
    .sub = 16,
    .largest = 127,
    .bias = 127,
    .codes = iq6_k_codes,
    .scales16 = iq6_k_scales,
};

#endif

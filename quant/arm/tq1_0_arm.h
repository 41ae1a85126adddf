/* SPDX-License-Identifier: MIT
 *
 * TQ1_0 for Arm: how its codes and scales are taken apart.
 *
 *   | 48 bytes: five digits each | 4 bytes: four digits each | d f16 |        w = d * (digit - 1)
 *
 * Digit n of a byte v is 3 * (v * 3^n mod 256) / 256, rounded down: a multiplication brings it to
 * the top, a halving add of x and x / 2 and a shift by 6 take it out.
 */
#ifndef CN_TQ1_0_ARM_H
#define CN_TQ1_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/tq1_0.h"

ALWAYS int8x16_t tq1_0_digit(uint8x16_t x)
{
    return as_codes(vshrq_n_u8(vhaddq_u8(x, vshrq_n_u8(x, 1)), 6));
}

/* Elements in order: digits 0-4 of bytes 0-31, digits 0-4 of bytes 32-47, digits 0-3 of 48-51. */
ALWAYS int8x16_t tq1_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_tq1_0 *b = (const void *)step;
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    if (i < 10)
        return tq1_0_digit(vmulq_u8(vld1q_u8(b->q + i % 2 * 16), vdupq_n_u8(power[i / 2])));
    if (i < 15)
        return tq1_0_digit(vmulq_u8(vld1q_u8(b->q + 32), vdupq_n_u8(power[i - 10])));
    const uint8x16_t v = vreinterpretq_u8_u32(vdupq_n_u32(load32(b->q + 48)));
    return tq1_0_digit(
        vmulq_u8(v, vcombine_u8(vcreate_u8(0x0303030301010101u), vcreate_u8(0x1b1b1b1b09090909u))));
}

ALWAYS float32x4x2_t tq1_0_scales(const uint8_t *step)
{
    const struct cn_block_tq1_0 *b = (const void *)step;
    const float32x4_t d = vdupq_n_f32(half_at(&b->d));
    return (float32x4x2_t){
        {d, d}
    };
}

static const struct arm_format tq1_0_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_tq1_0),
    .sub = 32,
    .largest = 2,
    .offset = 1,
    .codes = tq1_0_codes,
    .scales = tq1_0_scales,
};

#endif

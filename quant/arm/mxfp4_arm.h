/* SPDX-License-Identifier: MIT
 *
 * MXFP4 for Arm: how its codes and scales are taken apart.
 *
 *   | exponent E, a byte | 16 bytes: 32 x 4-bit code |        w = level[code] * 2^(E - 128)
 *
 * The 16 levels are a table in a register (tbl); a power of two is made of its exponent, subnormal
 * for E = 0 and 1.
 */
#ifndef CN_MXFP4_ARM_H
#define CN_MXFP4_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/mxfp4.h"

ALWAYS int8x16_t mxfp4_codes(const uint8_t *step, const int i)
{
    const struct cn_block_mxfp4 *b = (const struct cn_block_mxfp4 *)(const void *)step + i / 2;
    return vqtbl1q_s8(vld1q_s8(cn_mxfp4_levels), bits(vld1q_u8(b->q), i % 2 * 4, 4, 0));
}

/* 2^(e - 128) */
ALWAYS float32x4_t mxfp4_power(uint16x4_t exponent)
{
    const uint32x4_t e = vmovl_u16(exponent);
    const uint32x4_t subnormal =
        vshlq_u32(vdupq_n_u32(0x00200000), vreinterpretq_s32_u32(vminq_u32(e, vdupq_n_u32(2))));
    const uint32x4_t normal = vshlq_n_u32(vsubq_u32(e, vdupq_n_u32(1)), 23);
    return vreinterpretq_f32_u32(vbslq_u32(vcltq_u32(e, vdupq_n_u32(2)), subnormal, normal));
}

ALWAYS float32x4x2_t mxfp4_scales(const uint8_t *step)
{
    const struct cn_block_mxfp4 *b = (const void *)step;
    uint8x8_t e = vdup_n_u8(b[0].e);
    e = vset_lane_u8(b[1].e, e, 1);
    e = vset_lane_u8(b[2].e, e, 2);
    e = vset_lane_u8(b[3].e, e, 3);
    e = vset_lane_u8(b[4].e, e, 4);
    e = vset_lane_u8(b[5].e, e, 5);
    e = vset_lane_u8(b[6].e, e, 6);
    e = vset_lane_u8(b[7].e, e, 7);
    const uint16x8_t wide = vmovl_u8(e);
    return (float32x4x2_t){
        {mxfp4_power(vget_low_u16(wide)), mxfp4_power(vget_high_u16(wide))}
    };
}

static const struct arm_format mxfp4_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_mxfp4),
    .sub = 32,
    .largest = 12,
    .bias = 12,
    .codes = mxfp4_codes,
    .scales = mxfp4_scales,
};

#endif

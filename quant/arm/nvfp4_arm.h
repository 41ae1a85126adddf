/* SPDX-License-Identifier: MIT
 *
 * NVFP4 for Arm: how its codes and scales are taken apart.
 *
 *   | 4 bytes: scales of 16 | 32 bytes: 64 x 4-bit code |        w = level[code] * half(scale)
 *
 * Low nibbles are the first eight columns of each 16, high ones the others; the levels are a table
 * in a register (tbl). An E4M3 number is an f16 with other zeros: shifted by 7 bits it is 2^-7 of
 * what half() is.
 */
#ifndef CN_NVFP4_ARM_H
#define CN_NVFP4_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/mxfp4.h"
#include "quant/ref/nvfp4.h"

ALWAYS int8x16_t nvfp4_codes(const uint8_t *step, const int i)
{
    const struct cn_block_nvfp4 *b = (const struct cn_block_nvfp4 *)(const void *)step + i / 4;
    const uint8x8_t v = vld1_u8(b->q + i % 4 * 8);
    return vqtbl1q_s8(vld1q_s8(cn_mxfp4_levels),
                      vcombine_u8(vand_u8(v, vdup_n_u8(15)), vshr_n_u8(v, 4)));
}

/* What eight scale bytes stand for. */
ALWAYS float32x4x2_t nvfp4_halves(uint8x8_t scale)
{
    const uint8x8_t sound = vbic_u8(scale, vceq_u8(scale, vdup_n_u8(0x7f)));
    const uint16x8_t half = vandq_u16(vshll_n_u8(sound, 7), vdupq_n_u16(0x3f80));
    return times(floats_of_halves(vget_low_u16(half), vget_high_u16(half)), 128);
}

ALWAYS float32x4x4_t nvfp4_scales(const uint8_t *step)
{
    const struct cn_block_nvfp4 *b = (const void *)step;
    const float32x4x2_t lo =
        nvfp4_halves(vcreate_u8(load32(b[0].scale) | (uint64_t)load32(b[1].scale) << 32));
    const float32x4x2_t hi =
        nvfp4_halves(vcreate_u8(load32(b[2].scale) | (uint64_t)load32(b[3].scale) << 32));
    return (float32x4x4_t){
        {lo.val[0], lo.val[1], hi.val[0], hi.val[1]}
    };
}

static const struct arm_format nvfp4_arm = {
    .block_elems = 64,
    .block_bytes = sizeof(struct cn_block_nvfp4),
    .sub = 16,
    .largest = 12,
    .bias = 12,
    .codes = nvfp4_codes,
    .floats16 = nvfp4_scales,
};

#endif

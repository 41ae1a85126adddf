/* SPDX-License-Identifier: MIT
 *
 * IQ1_S for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 32 bytes: low index bits of runs of 8 |
 *   | 8 x u16: 4 x 3 high index bits, 3-bit scale, 1 bit: shift is negative |
 *
 *   w = d * (2 * scale[e / 32] + 1) * (grid[index][e % 8] +- 1/8)
 *
 * Runs of 8 values are loads from the grid. Eight times the value plus or minus one is one
 * multiply-add of bytes; the scale is an eighth.
 */
#ifndef CN_IQ1_S_ARM_H
#define CN_IQ1_S_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/iq1_s.h"

ALWAYS int8x8_t iq1_s_run(const struct cn_block_iq1_s *b, const int run)
{
    const uint32_t rest = b->rest[run / 4];
    const uint32_t hi = (run % 4 == 3 ? rest >> 1 : rest << (8 - 3 * (run % 4))) & 0x700;
    return vcreate_s8(cn_iq1_grid[b->index[run] | hi]);
}

ALWAYS int8x16_t iq1_s_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq1_s *b = (const void *)step;
    const int8x16_t v = vcombine_s8(iq1_s_run(b, 2 * i), iq1_s_run(b, 2 * i + 1));
    /* The top bit of the group's word in all bytes: -1 or 1. */
    const int8x16_t top = vdupq_n_s8((int8_t)(b->rest[i / 2] >> 8));
    return vmlaq_s8(vorrq_s8(vshrq_n_s8(top, 7), vdupq_n_s8(1)), v, vdupq_n_s8(8));
}

ALWAYS float32x4x2_t iq1_s_scales(const uint8_t *step)
{
    const struct cn_block_iq1_s *b = (const void *)step;
    const uint16x8_t s = vandq_u16(vshrq_n_u16(vld1q_u16(b->rest), 12), vdupq_n_u16(7));
    return odd_scales(vmovl_u16(vget_low_u16(s)), vmovl_u16(vget_high_u16(s)),
                      half_at(&b->d) * 0.125f);
}

static const struct arm_format iq1_s_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq1_s),
    .sub = 32,
    .largest = 9,
    .bias = 9,
    .codes = iq1_s_codes,
    .scales = iq1_s_scales,
};

#endif

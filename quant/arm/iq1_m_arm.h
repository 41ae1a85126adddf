/* SPDX-License-Identifier: MIT
 *
 * IQ1_M for Arm: how its codes and scales are taken apart.
 *
 *   | 32 bytes: low index bits of runs of 8 | 32 x (3 high index bits, 1 bit: shift is negative) |
 *   | 4 x u16: 4 x 3-bit scale, a nibble of d |
 *
 *   w = d * (2 * scale[e / 16] + 1) * (grid[index][e % 8] +- 1/8)
 *
 * Runs of 8 values are loads from the grid. Eight times the value plus or minus one is one
 * multiply-add of bytes; the scale is an eighth.
 */
#ifndef CN_IQ1_M_ARM_H
#define CN_IQ1_M_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/iq1_m.h"

ALWAYS int8x8_t iq1_m_run(const struct cn_block_iq1_m *b, const int run)
{
    const uint32_t rest = b->rest[run / 2];
    const uint32_t hi = (run % 2 ? rest << 4 : rest << 8) & 0x700;
    return vcreate_s8(cn_iq1_grid[b->index[run] | hi]);
}

ALWAYS int8x16_t iq1_m_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq1_m *b = (const void *)step;
    const int8x16_t v = vcombine_s8(iq1_m_run(b, 2 * i), iq1_m_run(b, 2 * i + 1));
    /* Bit 3 of the low nibble for the first run, of the high nibble for the second. */
    const uint64_t eights = 0x0808080808080808u;
    const uint8x16_t negative =
        vtstq_u8(vdupq_n_u8(b->rest[i]), vcombine_u8(vcreate_u8(eights), vcreate_u8(eights << 4)));
    return vmlaq_s8(vorrq_s8(as_codes(negative), vdupq_n_s8(1)), v, vdupq_n_s8(8));
}

/* Four words, each with four 3-bit scales below a nibble of d. */
ALWAYS struct arm_scales16 iq1_m_scales(const uint8_t *step)
{
    const struct cn_block_iq1_m *b = (const void *)step;
    const uint64_t words = load64(b->scale);
    const uint16_t d = (uint16_t)((words >> 12 & 0xf) | (words >> 24 & 0xf0) |
                                  (words >> 36 & 0xf00) | (words >> 48 & 0xf000));
    const uint16x4_t w = vcreate_u16(words);
    const int16x8_t down = vreinterpretq_s16_u64(vdupq_n_u64(0xfff7fffafffd0000u));
    const uint16x8_t lo = vshlq_u16(vcombine_u16(vdup_lane_u16(w, 0), vdup_lane_u16(w, 1)), down);
    const uint16x8_t hi = vshlq_u16(vcombine_u16(vdup_lane_u16(w, 2), vdup_lane_u16(w, 3)), down);
    const uint8x16_t s = bits(vcombine_u8(vmovn_u16(lo), vmovn_u16(hi)), 0, 3, 1);
    return (struct arm_scales16){ .scale = as_codes(vorrq_u8(s, vdupq_n_u8(1))),
                                  .d = half_at(&d) * 0.125f };
}

static const struct arm_format iq1_m_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq1_m),
    .sub = 16,
    .largest = 9,
    .bias = 9,
    .codes = iq1_m_codes,
    .scales16 = iq1_m_scales,
};

#endif

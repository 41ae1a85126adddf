/* SPDX-License-Identifier: MIT
 *
 * IQ2_S for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 32 bytes: low index bits | 32 bytes: signs | 8 bytes: high index bits |
 *   | 8 bytes: 16 x 4-bit scale |
 *
 *   w = d * (scale[e / 16] + 1/2) / 4 * (+-) grid[index][e % 8]
 *
 * Runs of 8 magnitudes are loads from the grid. Each byte of signs is put where its eight elements
 * are (tbl) and tested bit by bit.
 */
#ifndef CN_IQ2_S_ARM_H
#define CN_IQ2_S_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/iq2_s.h"

ALWAYS uint8x8_t iq2_s_run(const struct cn_block_iq2_s *b, const int run)
{
    const uint32_t hi = (uint32_t)b->index_hi[run / 4] << (8 - 2 * (run % 4)) & 0x300;
    return vcreate_u8(cn_iq2_s_grid[b->index[run] | hi]);
}

ALWAYS int8x16_t iq2_s_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_s *b = (const void *)step;
    const uint8x16_t v = vcombine_u8(iq2_s_run(b, 2 * i), iq2_s_run(b, 2 * i + 1));
    return negated(v, mask_of_bits(spread_pair(vld1q_u8(b->signs + i / 8 * 16), i % 8)));
}

ALWAYS struct arm_scales16 iq2_s_scales(const uint8_t *step)
{
    const struct cn_block_iq2_s *b = (const void *)step;
    return (struct arm_scales16){ .scale = odd_nibbles(vld1_u8(b->scale)),
                                  .d = half_at(&b->d) * 0.125f };
}

static const struct arm_format iq2_s_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_s),
    .sub = 16,
    .largest = 43,
    .bias = 43,
    .codes = iq2_s_codes,
    .scales16 = iq2_s_scales,
};

#endif

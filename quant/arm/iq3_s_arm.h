/* SPDX-License-Identifier: MIT
 *
 * IQ3_S for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 64 bytes: low index bits | 8 bytes: ninth index bits | 32 bytes: signs |
 *   | 4 bytes: 8 x 4-bit scale |
 *
 *   w = d * (2 * scale[e / 32] + 1) * (+-) grid[index][e % 4]
 *
 * Runs of 4 magnitudes are loads from the grid. Each byte of signs is put where its eight elements
 * are (tbl) and tested bit by bit.
 */
#ifndef CN_IQ3_S_ARM_H
#define CN_IQ3_S_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/iq3_s.h"

ALWAYS uint32_t iq3_s_run(const struct cn_block_iq3_s *b, const int k)
{
    const uint32_t hi = (uint32_t)b->index_hi[k / 8] << (8 - k % 8) & 0x100;
    return cn_iq3_s_grid[b->index[k] | hi];
}

ALWAYS int8x16_t iq3_s_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq3_s *b = (const void *)step;
    const uint8x16_t v = four_words(iq3_s_run(b, 4 * i), iq3_s_run(b, 4 * i + 1),
                                    iq3_s_run(b, 4 * i + 2), iq3_s_run(b, 4 * i + 3));
    return negated(v, mask_of_bits(spread_pair(vld1q_u8(b->signs + i / 8 * 16), i % 8)));
}

ALWAYS float32x4x2_t iq3_s_scales(const uint8_t *step)
{
    const struct cn_block_iq3_s *b = (const void *)step;
    return times(floats_of_i8(vget_low_s8(odd_nibbles(vcreate_u8(load32(b->scale))))),
                 half_at(&b->d));
}

static const struct arm_format iq3_s_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq3_s),
    .sub = 32,
    .largest = 15,
    .bias = 15,
    .codes = iq3_s_codes,
    .scales = iq3_s_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 64 bytes: indices of runs of 4 | 8 x u32: 4 x 7-bit sign code, 4-bit scale |
 *
 *   w = d * (scale[e / 32] + 1/2) / 2 * (+-) grid[index][e % 4]
 *
 * Runs of 4 magnitudes are loads from the grid, halved: all are even. A 7-bit sign code gets its
 * eighth bit, the parity, by a population count, sixteen codes at a time.
 */
#ifndef CN_IQ3_XXS_ARM_H
#define CN_IQ3_XXS_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/iq3_xxs.h"

ALWAYS int8x16_t iq3_xxs_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq3_xxs *b = (const void *)step;
    const uint8_t *index = b->index + 4 * i;
    const uint8x16_t v = four_words(cn_iq3_xxs_grid[index[0]], cn_iq3_xxs_grid[index[1]],
                                    cn_iq3_xxs_grid[index[2]], cn_iq3_xxs_grid[index[3]]);
    const uint8x16_t signs = signs_of_words(vreinterpretq_u32_u8(vld1q_u8(b->rest[i / 8 * 4])));
    return negated(vshrq_n_u8(v, 1), mask_of_bits(spread_pair(signs, i % 8)));
}

ALWAYS float32x4x2_t iq3_xxs_scales(const uint8_t *step)
{
    const struct cn_block_iq3_xxs *b = (const void *)step;
    const uint32x4_t lo = vreinterpretq_u32_u8(vld1q_u8(b->rest[0]));
    const uint32x4_t hi = vreinterpretq_u32_u8(vld1q_u8(b->rest[4]));
    return odd_scales(vshrq_n_u32(lo, 28), vshrq_n_u32(hi, 28), half_at(&b->d) * 0.5f);
}

static const struct arm_format iq3_xxs_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq3_xxs),
    .sub = 32,
    .largest = 31,
    .bias = 31,
    .codes = iq3_xxs_codes,
    .scales = iq3_xxs_scales,
};

#endif

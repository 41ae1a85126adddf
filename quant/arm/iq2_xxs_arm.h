/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 8 x (4 bytes: indices of runs of 8 | u32: 4 x 7-bit sign code, 4-bit scale) |
 *
 *   w = d * (scale[e / 32] + 1/2) / 4 * (+-) grid[index][e % 8]
 *
 * Runs of 8 magnitudes are loads from the grid. A 7-bit sign code gets its eighth bit, the parity,
 * by a population count, sixteen codes at a time.
 */
#ifndef CN_IQ2_XXS_ARM_H
#define CN_IQ2_XXS_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/iq2_xxs.h"

/* The second words of groups 4 half to 4 half + 3. */
ALWAYS uint32x4_t iq2_xxs_rest(const uint8_t *step, const int half)
{
    const struct cn_block_iq2_xxs *b = (const void *)step;
    const uint8_t *p = b->group[4 * half].index;
    return vuzp2q_u32(vreinterpretq_u32_u8(vld1q_u8(p)), vreinterpretq_u32_u8(vld1q_u8(p + 16)));
}

ALWAYS int8x16_t iq2_xxs_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_xxs *b = (const void *)step;
    const uint8_t *index = b->group[i / 2].index + i % 2 * 2;
    const uint8x16_t v =
        vcombine_u8(vcreate_u8(cn_iq2_xxs_grid[index[0]]), vcreate_u8(cn_iq2_xxs_grid[index[1]]));
    const uint8x16_t signs = signs_of_words(iq2_xxs_rest(step, i / 8));
    return negated(v, mask_of_bits(spread_pair(signs, i % 8)));
}

ALWAYS float32x4x2_t iq2_xxs_scales(const uint8_t *step)
{
    const struct cn_block_iq2_xxs *b = (const void *)step;
    return odd_scales(vshrq_n_u32(iq2_xxs_rest(step, 0), 28),
                      vshrq_n_u32(iq2_xxs_rest(step, 1), 28), half_at(&b->d) * 0.125f);
}

static const struct arm_format iq2_xxs_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_xxs),
    .sub = 32,
    .largest = 43,
    .bias = 43,
    .codes = iq2_xxs_codes,
    .scales = iq2_xxs_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 32 x u16: 9-bit index of a run of 8, 7-bit sign code | 8 bytes: 16 x 4-bit scale |
 *
 *   w = d * (scale[e / 16] + 1/2) / 4 * (+-) grid[index][e % 8]
 *
 * Runs of 8 magnitudes are loads from the grid. A 7-bit sign code gets its eighth bit, the parity,
 * by a population count, sixteen codes at a time.
 */
#ifndef CN_IQ2_XS_ARM_H
#define CN_IQ2_XS_ARM_H

#include "quant/arm/iq_arm.h"
#include "quant/arm/simd_arm.h"
#include "quant/ref/iq2_xs.h"

ALWAYS int8x16_t iq2_xs_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_xs *b = (const void *)step;
    const uint16_t *run = b->run + 2 * i;
    const uint8x16_t v = vcombine_u8(vcreate_u8(cn_iq2_xs_grid[run[0] & 511]),
                                     vcreate_u8(cn_iq2_xs_grid[run[1] & 511]));
    const uint8_t *p = (const uint8_t *)(b->run + i / 8 * 16);
    const uint8x16_t signs = with_parity(vshrq_n_u8(vuzp2q_u8(vld1q_u8(p), vld1q_u8(p + 16)), 1));
    return negated(v, mask_of_bits(spread_pair(signs, i % 8)));
}

ALWAYS struct arm_scales16 iq2_xs_scales(const uint8_t *step)
{
    const struct cn_block_iq2_xs *b = (const void *)step;
    return (struct arm_scales16){ .scale = odd_nibbles(vld1_u8(b->scale)),
                                  .d = half_at(&b->d) * 0.125f };
}

static const struct arm_format iq2_xs_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_xs),
    .sub = 16,
    .largest = 43,
    .bias = 43,
    .codes = iq2_xs_codes,
    .scales16 = iq2_xs_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f16 | blocks |;
 *   block: | u16 shifts, high scale bits | 4 bytes: low 4 bits of 8 scales | 64 bytes: 256 x 2-bit
 * code |
 *
 *   w = d * (scale[g] - 16) * (level[code] + 5 * shift[g]),  g = element / 32
 *
 * The four levels are a table in a register (tbl).
 */
#ifndef CN_IQ2_KS_ARM_H
#define CN_IQ2_KS_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq2_ks.h"

ALWAYS int8x16_t iq2_ks_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_ks *b = (const void *)step;
    return shifted_by_bit(levels_of_2_bits(b->q, i), b->extra, i / 2, CN_IQ2_SHIFT);
}

ALWAYS float32x4x2_t iq2_ks_scales(const uint8_t *step)
{
    const struct cn_block_iq2_ks *b = (const void *)step;
    const uint8x8_t v = vcreate_u8(load32(b->scale));
    const uint8x8_t low = vand_u8(vzip1_u8(v, vshr_n_u8(v, 4)), vdup_n_u8(15));
    return scales_of(vget_lane_u64(vreinterpret_u64_u8(low), 0),
                     bytes_of_bits((uint8_t)(b->extra >> 8)), 5);
}

static const struct arm_format iq2_ks_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_ks),
    .sub = 32,
    .largest = 31,
    .bias = 31,
    .codes = iq2_ks_codes,
    .scales = iq2_ks_scales,
};

#endif

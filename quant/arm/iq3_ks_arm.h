/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f16 | blocks |;  block: | u16 high scale bits, shifts | 4 bytes: low 4 bits of 8
 * scales | | 64 bytes: 256 x low 2 bits | 32 bytes: third bits |
 *
 *   w = d * (scale[g] - 16) * (level[code] + 4 * shift[g]),  g = element / 32
 *
 * The eight levels are a table in a register (tbl).
 */
#ifndef CN_IQ3_KS_ARM_H
#define CN_IQ3_KS_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq3_ks.h"

ALWAYS int8x16_t iq3_ks_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq3_ks *b = (const void *)step;
    return shifted_by_bit(levels_of_3_bits(b->q, b->hi, i), b->extra, 8 + i / 2, CN_IQ3_SHIFT);
}

ALWAYS float32x4x2_t iq3_ks_scales(const uint8_t *step)
{
    const struct cn_block_iq3_ks *b = (const void *)step;
    return scales_of(nibbles_by_fours(b->scale), bytes_of_bits((uint8_t)b->extra), 5);
}

static const struct arm_format iq3_ks_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq3_ks),
    .sub = 32,
    .largest = 63,
    .bias = 63,
    .codes = iq3_ks_codes,
    .scales = iq3_ks_scales,
};

#endif

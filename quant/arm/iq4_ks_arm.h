/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f32 | blocks |;  block: | 8 scale bytes s | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * ((s[g] & 254) - 127) * (level[code] + 4 * (s[g] & 1)),  g = element / 32;
 *   the first product is rounded before the second is made
 *
 * The 16 levels are a table in a register (tbl).
 */
#ifndef CN_IQ4_KS_ARM_H
#define CN_IQ4_KS_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq4_ks.h"

ALWAYS int8x16_t iq4_ks_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq4_ks *b = (const void *)step;
    return shifted_by_bit(levels_of_4_bits(b->q, i), b->scale[i / 2], 0, CN_IQ4_SHIFT);
}

ALWAYS float32x4x2_t iq4_ks_scales(const uint8_t *step)
{
    const struct cn_block_iq4_ks *b = (const void *)step;
    return scales_of_bytes(vld1_u8(b->scale));
}

static const struct arm_format iq4_ks_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq4_ks),
    .sub = 32,
    .largest = 127,
    .bias = 127,
    .codes = iq4_ks_codes,
    .scales = iq4_ks_scales,
};

#endif

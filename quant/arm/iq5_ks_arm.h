/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f32 | blocks |;
 *   block: | 8 scale bytes s | 128 bytes: 256 x low 4 bits | 32 bytes: fifth bits |
 *
 *   w = d * ((s[g] & 254) - 127) * (level[code] + 2 * (s[g] & 1)),  g = element / 32;
 *   the first product is rounded before the second is made
 *
 * The 32 levels are a table in two registers (tbl).
 */
#ifndef CN_IQ5_KS_ARM_H
#define CN_IQ5_KS_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq5_ks.h"

ALWAYS int8x16_t iq5_ks_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq5_ks *b = (const void *)step;
    return shifted_by_bit(levels_of_5_bits(b->q, b->hi, i), b->scale[i / 2], 0, CN_IQ5_SHIFT);
}

ALWAYS float32x4x2_t iq5_ks_scales(const uint8_t *step)
{
    const struct cn_block_iq5_ks *b = (const void *)step;
    return scales_of_bytes(vld1_u8(b->scale));
}

static const struct arm_format iq5_ks_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq5_ks),
    .sub = 32,
    .largest = 126,
    .bias = 126,
    .codes = iq5_ks_codes,
    .scales = iq5_ks_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * level[code]
 *
 * The 16 levels are a table in a register (tbl).
 */
#ifndef CN_IQ4_NL_ARM_H
#define CN_IQ4_NL_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_nl.h"

ALWAYS int8x16_t iq4_nl_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq4_nl *b = (const struct cn_block_iq4_nl *)(const void *)step + i / 2;
    return vqtbl1q_s8(vld1q_s8(cn_iq4_levels), bits(vld1q_u8(b->q), i % 2 * 4, 4, 0));
}

ALWAYS float32x4x2_t iq4_nl_scales(const uint8_t *step)
{
    return halves_at(step, sizeof(struct cn_block_iq4_nl));
}

static const struct arm_format iq4_nl_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_iq4_nl),
    .sub = 32,
    .largest = 127,
    .bias = 127,
    .codes = iq4_nl_codes,
    .scales = iq4_nl_scales,
};

#endif

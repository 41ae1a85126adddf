/* SPDX-License-Identifier: MIT
 *
 * Q5_0 for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | 4 bytes: fifth bits | 16 bytes: low 4 bits |        w = d * (code - 16)
 *
 * Each byte of fifth bits is put where its eight elements are (tbl) and tested bit by bit. The
 * offset is taken out with the sums of the activations, in integers.
 */
#ifndef CN_Q5_0_ARM_H
#define CN_Q5_0_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/q5_0.h"

/* Low nibbles are the first 16, high nibbles the other; bit e of hi is element e's fifth. */
ALWAYS int8x16_t q5_0_codes(const uint8_t *step, const int i)
{
    const struct cn_block_q5_0 *b = (const struct cn_block_q5_0 *)(const void *)step + i / 2;
    const uint8x16_t hi =
        mask_of_bits(spread_pair(vreinterpretq_u8_u32(vdupq_n_u32(load32(b->hi))), i % 2));
    return as_codes(vorrq_u8(bits(vld1q_u8(b->q), i % 2 * 4, 4, 0), vandq_u8(hi, vdupq_n_u8(16))));
}

ALWAYS float32x4x2_t q5_0_scales(const uint8_t *step)
{
    return halves_at(step, sizeof(struct cn_block_q5_0));
}

static const struct arm_format q5_0_arm = {
    .block_elems = 32,
    .block_bytes = sizeof(struct cn_block_q5_0),
    .sub = 32,
    .largest = 31,
    .offset = 16,
    .codes = q5_0_codes,
    .scales = q5_0_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f16 | blocks |;  block: | u16: high 2 bits, 4 bytes: low 4 bits of 8 scales |
 *   | 64 bytes: 128 x low 4 bits of a pair | 16 bytes: fifth bits |
 *
 *   w = d * (scale[g] - 32) * pair[code][element % 2],  g = element / 32
 *
 * The first and the second levels of the pairs are tables in two registers each (tbl); what is
 * looked up in them is interleaved.
 */
#ifndef CN_IQ2_KL_ARM_H
#define CN_IQ2_KL_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq2_kl.h"

ALWAYS int8x16_t iq2_kl_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_kl *b = (const void *)step;
    const int8x16x2_t lower = vld2q_s8(cn_iq2_kl_pairs[0]), upper = vld2q_s8(cn_iq2_kl_pairs[16]);
    const int8x16x2_t first = {
        {lower.val[0], upper.val[0]}
    };
    const int8x16x2_t second = {
        {lower.val[1], upper.val[1]}
    };
    const int g = i / 2, at = i % 2 * 8;
    const uint8x8_t q = vld1_u8(b->q + g / 2 * 16 + at), hi = vld1_u8(b->hi + at);
    const uint8x8_t low = vand_u8(vshl_u8(q, vdup_n_s8((int8_t)(g % 2 * -4))), vdup_n_u8(15));
    const uint8x8_t fifth = vand_u8(vshl_u8(hi, vdup_n_s8((int8_t)(4 - g))), vdup_n_u8(16));
    const uint8x8_t code = vorr_u8(low, fifth);
    const int8x8_t e = vqtbl2_s8(first, code), o = vqtbl2_s8(second, code);
    return vcombine_s8(vzip1_s8(e, o), vzip2_s8(e, o));
}

ALWAYS float32x4x2_t iq2_kl_scales(const uint8_t *step)
{
    const struct cn_block_iq2_kl *b = (const void *)step;
    const uint16x8_t pairs =
        vshlq_u16(vdupq_n_u16(b->scale_hi), vmovl_s8(vcreate_s8(0xf2f4f6f8fafcfe00u)));
    return scales_of(nibbles_by_fours(b->scale_lo), vand_u8(vmovn_u16(pairs), vdup_n_u8(3)), 6);
}

static const struct arm_format iq2_kl_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_kl),
    .sub = 32,
    .largest = 63,
    .bias = 63,
    .codes = iq2_kl_codes,
    .scales = iq2_kl_scales,
};

#endif

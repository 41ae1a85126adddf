/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for Arm: how its codes and scales are taken apart.
 *
 *   | d f16 | u16 high scale bits | 4 bytes low scale bits | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * (scale[g] - 32) * level[code]
 *
 * The 16 levels are a table in a register (tbl). The scales are put together for eight groups at
 * once.
 */
#ifndef CN_IQ4_XS_ARM_H
#define CN_IQ4_XS_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_xs.h"

ALWAYS int8x16_t iq4_xs_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq4_xs *b = (const void *)step;
    return vqtbl1q_s8(vld1q_s8(cn_iq4_levels), bits(vld1q_u8(b->q + i / 2 * 16), i % 2 * 4, 4, 0));
}

ALWAYS float32x4x2_t iq4_xs_scales(const uint8_t *step)
{
    const struct cn_block_iq4_xs *b = (const void *)step;
    /* One nibble, one pair of bits a byte. */
    const uint32_t packed = load32(b->scale_lo);
    const uint8x8_t v = vcreate_u8(packed);
    const uint8x8_t lo = vand_u8(vzip1_u8(v, vshr_n_u8(v, 4)), vdup_n_u8(15));
    const uint16x8_t pairs =
        vshlq_u16(vdupq_n_u16(b->scale_hi), vmovl_s8(vcreate_s8(0xf2f4f6f8fafcfe00u)));
    const uint8x8_t hi = vand_u8(vmovn_u16(pairs), vdup_n_u8(3));
    const uint8x8_t scale = vorr_u8(lo, vshl_n_u8(hi, 4));
    return times(floats_of_i8(vsub_s8(vreinterpret_s8_u8(scale), vdup_n_s8(32))), half_at(&b->d));
}

static const struct arm_format iq4_xs_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq4_xs),
    .sub = 32,
    .largest = 127,
    .bias = 127,
    .codes = iq4_xs_codes,
    .scales = iq4_xs_scales,
};

#endif

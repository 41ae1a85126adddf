/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f32 | blocks |;  block: | 64 u16, eight a group |
 *
 * Bit 0 of word k of a group is bit k of its scale byte s. The others, z, are four codes: z ^ z >>
 * 1 has the nibbles of elements 2k, 2k + 16, 2k + 1, 2k + 17, lowest first. The number of bits set
 * in them is even, so that 15 bits hold them.
 *
 *   w = d * ((s & 254) - 127) * (level[code] + 4 * (s & 1)),  g = element / 32;
 *   the first product is rounded before the second is made
 *
 * Two words shifted against each other give the nibbles.
 */
#ifndef CN_IQ4_KSS_ARM_H
#define CN_IQ4_KSS_ARM_H

#include "quant/arm/levels_arm.h"
#include "quant/ref/iq4_kss.h"

ALWAYS int8x16_t iq4_kss_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq4_kss *b = (const void *)step;
    const uint16x8_t w = vld1q_u16(b->q[i / 2]), z = vandq_u16(w, vdupq_n_u16(0xfffe));
    const uint8x16_t v = vreinterpretq_u8_u16(veorq_u16(z, vshrq_n_u16(z, 1)));
    return shifted_by_bit(vqtbl1q_s8(vld1q_s8(cn_iq4_levels), bits(v, i % 2 * 4, 4, 0)),
                          b->q[i / 2][0], 0, CN_IQ4_SHIFT);
}

ALWAYS float32x4x2_t iq4_kss_scales(const uint8_t *step)
{
    const struct cn_block_iq4_kss *b = (const void *)step;
    static const int16_t place[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    uint8x8_t s = vdup_n_u8(0);
    UNROLL for (int g = 0; g < 8; g++)
    {
        const uint16x8_t bit = vandq_u16(vld1q_u16(b->q[g]), vdupq_n_u16(1));
        const uint8_t byte = (uint8_t)vaddvq_u16(vshlq_u16(bit, vld1q_s16(place)));
        s = vset_lane_u8(byte, s, g);
    }
    return scales_of_bytes(s);
}

static const struct arm_format iq4_kss_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq4_kss),
    .sub = 32,
    .largest = 127,
    .bias = 127,
    .codes = iq4_kss_codes,
    .scales = iq4_kss_scales,
};

#endif

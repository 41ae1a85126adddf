/* SPDX-License-Identifier: MIT
 *
 * Signs and scales of the IQ formats that have codebooks.
 */
#ifndef CN_IQ_ARM_H
#define CN_IQ_ARM_H

#include "quant/arm/simd_arm.h"

/* 7-bit sign codes with the eighth bit that makes the number of set bits even. */
ALWAYS uint8x16_t with_parity(uint8x16_t codes)
{
    return vsliq_n_u8(codes, vcntq_u8(codes), 7);
}

/* The sign bytes of four words with four 7-bit sign codes each, from bit 0 on. */
ALWAYS uint8x16_t signs_of_words(uint32x4_t w)
{
    const uint32x4_t a = vandq_u32(w, vdupq_n_u32(0x7f));
    const uint32x4_t b = vandq_u32(vshlq_n_u32(w, 1), vdupq_n_u32(0x7f00));
    const uint32x4_t c = vandq_u32(vshlq_n_u32(w, 2), vdupq_n_u32(0x7f0000));
    const uint32x4_t d = vandq_u32(vshlq_n_u32(w, 3), vdupq_n_u32(0x7f000000));
    return with_parity(vreinterpretq_u8_u32(vorrq_u32(vorrq_u32(a, b), vorrq_u32(c, d))));
}

/* d * (2 s + 1) */
ALWAYS float32x4x2_t odd_scales(uint32x4_t lo, uint32x4_t hi, float d)
{
    const uint32x4_t one = vdupq_n_u32(1);
    return (float32x4x2_t){
        {vmulq_n_f32(vcvtq_f32_u32(vorrq_u32(vshlq_n_u32(lo, 1), one)), d),
         vmulq_n_f32(vcvtq_f32_u32(vorrq_u32(vshlq_n_u32(hi, 1), one)), d)}
    };
}

/* 2 s + 1 for the sixteen nibbles of eight bytes, low nibble first. */
ALWAYS int8x16_t odd_nibbles(uint8x8_t v)
{
    const uint8x16_t s = vcombine_u8(vzip1_u8(v, vshr_n_u8(v, 4)), vzip2_u8(v, vshr_n_u8(v, 4)));
    return vreinterpretq_s8_u8(vorrq_u8(bits(s, 0, 4, 1), vdupq_n_u8(1)));
}

ALWAYS uint8x16_t four_words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return vcombine_u8(vcreate_u8(a | (uint64_t)b << 32), vcreate_u8(c | (uint64_t)d << 32));
}

#endif

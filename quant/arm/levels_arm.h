/* SPDX-License-Identifier: MIT
 *
 * What the Arm kernels of IQ2_K to IQ6_K and their kin share: levels are looked up by tbl, and a
 * group may have them shifted.
 */
#ifndef CN_LEVELS_ARM_H
#define CN_LEVELS_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/codebooks.h"

/* Levels `shift` higher where bit i of x is set. */
ALWAYS int8x16_t shifted_by_bit(int8x16_t v, const uint32_t x, const int i, const int shift)
{
    return vaddq_s8(v, vdupq_n_s8((int8_t)((int)(x >> i & 1) * shift)));
}

/* Low nibbles of columns 16 i .. 16 i + 15 of codes of 5 and 6 bits: 32 bytes for 64 columns. */
ALWAYS uint8x16_t low_nibbles(const uint8_t *q, const int i)
{
    return bits(vld1q_u8(q + i / 4 * 32 + i % 2 * 16), i / 2 % 2 * 4, 4, 0);
}

/* Two bits of those columns, to bit `to`: 32 bytes for 128 columns. */
ALWAYS uint8x16_t bit_pairs(const uint8_t *q, const int i, const int to)
{
    return bits(vld1q_u8(q + i / 8 * 32 + i % 2 * 16), i / 2 % 4 * 2, 2, to);
}

/* One bit of those columns, to bit `to`: 32 bytes for 256 columns. */
ALWAYS uint8x16_t single_bits(const uint8_t *q, const int i, const int to)
{
    return bits(vld1q_u8(q + i % 2 * 16), i / 2, 1, to);
}

/* Levels of 4-bit codes: the first half of 32 columns in low nibbles of 16 bytes. */
ALWAYS int8x16_t levels_of_4_bits(const uint8_t *q, const int i)
{
    return vqtbl1q_s8(vld1q_s8(cn_iq4_levels), bits(vld1q_u8(q + i / 2 * 16), i % 2 * 4, 4, 0));
}

ALWAYS int8x16_t levels_of_5_bits(const uint8_t *q, const uint8_t *hi, const int i)
{
    const int8x16x2_t levels = {
        {vld1q_s8(cn_iq5_levels), vld1q_s8(cn_iq5_levels + 16)}
    };
    return vqtbl2q_s8(levels, vorrq_u8(low_nibbles(q, i), single_bits(hi, i, 4)));
}

ALWAYS int8x16_t levels_of_2_bits(const uint8_t *q, const int i)
{
    const int8x16_t levels = vreinterpretq_s8_u32(vdupq_n_u32(load32(cn_iq2_levels)));
    return vqtbl1q_s8(levels, bit_pairs(q, i, 0));
}

ALWAYS int8x16_t levels_of_3_bits(const uint8_t *q, const uint8_t *hi, const int i)
{
    const int8x8_t levels = vld1_s8(cn_iq3_levels);
    return vqtbl1q_s8(vcombine_s8(levels, levels),
                      vorrq_u8(bit_pairs(q, i, 0), single_bits(hi, i, 2)));
}

/* Sixteen 4-bit numbers of eight bytes, low nibble first. */
ALWAYS uint8x16_t nibbles_of8(const uint8_t *p)
{
    const uint8x8_t v = vld1_u8(p), lo = vand_u8(v, vdup_n_u8(15)), hi = vshr_n_u8(v, 4);
    return vcombine_u8(vzip1_u8(lo, hi), vzip2_u8(lo, hi));
}

/* The scales of IQ4_K and IQ5_K: two bits each of four bytes, four of eight. */
ALWAYS int8x16_t scales_of_6_bits(const uint8_t *hi, const uint8_t *lo)
{
    static const uint8_t from[16] = { 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3 };
    const int8x16_t by = vreinterpretq_s8_u32(vdupq_n_u32(0xfafcfe00u));
    const uint8x16_t spread =
        vqtbl1q_u8(vreinterpretq_u8_u32(vdupq_n_u32(load32(hi))), vld1q_u8(from));
    const uint8x16_t high = vandq_u8(vshlq_u8(spread, by), vdupq_n_u8(3));
    const uint8x16_t code = vorrq_u8(nibbles_of8(lo), vshlq_n_u8(high, 4));
    return vsubq_s8(as_codes(code), vdupq_n_s8(32));
}

/* IQ4_KS and IQ5_KS: eight bytes, (byte & 254) - 127 the scale. */
ALWAYS float32x4x2_t scales_of_bytes(uint8x8_t v)
{
    return floats_of_i8(vreinterpret_s8_u8(vsub_u8(vand_u8(v, vdup_n_u8(254)), vdup_n_u8(127))));
}

/* Eight scales of n bits, less half of what they reach to: four low bits in the two halves of
 * `low`, and the high ones. */
ALWAYS float32x4x2_t scales_of(const uint64_t low, uint8x8_t high, const int n)
{
    const uint8x8_t code = vorr_u8(vcreate_u8(low), vshl_n_u8(high, 4));
    return floats_of_i8(vreinterpret_s8_u8(vsub_u8(code, vdup_n_u8((uint8_t)(1 << (n - 1))))));
}

/* Nibbles of four bytes: low ones first, then high ones. */
ALWAYS uint64_t nibbles_by_fours(const uint8_t *p)
{
    const uint32_t v = load32(p);
    return (v & 0x0f0f0f0fu) | (uint64_t)(v >> 4 & 0x0f0f0f0fu) << 32;
}

/* Eight single bits, a byte each. */
ALWAYS uint8x8_t bytes_of_bits(const uint8_t x)
{
    return vand_u8(vtst_u8(vdup_n_u8(x), vcreate_u8(0x8040201008040201u)), vdup_n_u8(1));
}

/* Defines the static gemv of a kernel file of rows with a header. */
#define ARM_GEMV_HEADED(id, tier, header)                                                         \
    static void id##_gemv_##tier(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes, \
                                 const struct cn_act *x, float *y)                                \
    {                                                                                             \
        arm_gemv(&id##_arm, &tier##_dots, n_rows, n_cols, (const uint8_t *)w + (header),          \
                 row_bytes, x, y);                                                                \
        for (int64_t r = 0; r < n_rows; r++)                                                      \
            y[r] *= cn_row_scale(header, (const uint8_t *)w + (size_t)r * row_bytes);             \
    }

#endif

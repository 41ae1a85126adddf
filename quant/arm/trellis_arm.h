/* SPDX-License-Identifier: MIT
 *
 * The generator of the trellis formats (quant/trellis.h) for Arm: the state of element k of a run
 * is its index times a power of the factor, four elements a product; two pairwise additions of
 * bytes sum up the four 6-bit numbers of sixteen states.
 */
#ifndef CN_TRELLIS_ARM_H
#define CN_TRELLIS_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/ref/codebooks.h"
#include "quant/trellis.h"

/* The powers of the factor. */
ALWAYS uint32x4_t powers(const int first)
{
    uint32_t p[4], x = 1;
    UNROLL for (int i = 1; i < first + 4; i++)
    {
        x *= CN_TRELLIS_FACTOR;
        if (i >= first)
            p[i - first] = x;
    }
    return vld1q_u32(p);
}

/* The numbers of four elements, from element `first` on, of a run. */
ALWAYS uint8x16_t numbers(uint32_t index, const int first)
{
    const uint32x4_t state = vmulq_u32(vdupq_n_u32(index + CN_TRELLIS_START), powers(first));
    return vreinterpretq_u8_u32(vandq_u32(state, vdupq_n_u32(CN_TRELLIS_MASK)));
}

/* T of sixteen states. */
ALWAYS int8x16_t elements_of(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    const uint8x16_t sum = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
    return as_codes(vsubq_u8(sum, vdupq_n_u8(CN_TRELLIS_MEAN)));
}

/* Of two runs of 8. */
ALWAYS int8x16_t elements8(uint32_t index0, uint32_t index1)
{
    return elements_of(numbers(index0, 1), numbers(index0, 5), numbers(index1, 1),
                       numbers(index1, 5));
}

/* Eight codes in the nibbles of four bytes, the low ones first. */
ALWAYS uint8x8_t eight_nibbles(const uint8_t *p)
{
    const uint64_t v = load32(p);
    return vcreate_u8((v & 0x0f0f0f0f) | (v >> 4 & 0x0f0f0f0f) << 32);
}

/* Levels of IQ4_NL. */
ALWAYS float32x4x2_t nl_scales(uint8x8_t codes)
{
    return floats_of_i8(vqtbl1_s8(vld1q_s8(cn_iq4_levels), codes));
}

ALWAYS float header_of(const uint8_t *row)
{
    float d;
    memcpy(&d, row, sizeof d);
    return d;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ4_KT for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f32 |; block: | 8 x u32: of a group | 64 low index bytes | 32 bytes: 64 x 4 bits |
 *   of a group: | bit 0: half | 7 bits: scale + 64 | 8 x 3 bits: bits 12 to 14 of the indices |
 *
 * The generator: trellis_arm.h. Indices are put together in general registers.
 */
#ifndef CN_IQ4_KT_ARM_H
#define CN_IQ4_KT_ARM_H

#include "quant/arm/trellis_arm.h"
#include "quant/ref/iq4_kt.h"

/* The index of a run, its group's half in bit 15. */
ALWAYS uint32_t iq4_kt_index(const struct cn_block_iq4_kt *b, const int k)
{
    const uint32_t head = load32(b->head + 4 * (k / 8));
    return b->low[k] | (uint32_t)(b->high[k % 32] >> (4 * (k / 32)) & 15) << 8 |
           (head >> (8 + 3 * (k % 8)) & 7) << 12 | (head & 1) << 15;
}

ALWAYS int8x16_t iq4_kt_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq4_kt *b = (const void *)step;
    return elements_of(numbers(iq4_kt_index(b, 4 * i), 1), numbers(iq4_kt_index(b, 4 * i + 1), 1),
                       numbers(iq4_kt_index(b, 4 * i + 2), 1),
                       numbers(iq4_kt_index(b, 4 * i + 3), 1));
}

ALWAYS float32x4x2_t iq4_kt_scales(const uint8_t *step)
{
    const struct cn_block_iq4_kt *b = (const void *)step;
    const uint32x4_t lo = vreinterpretq_u32_u8(vld1q_u8(b->head)),
                     hi = vreinterpretq_u32_u8(vld1q_u8(b->head + 16));
    const uint32x4_t seven = vdupq_n_u32(127);
    const float32x4_t middle = vdupq_n_f32(64);
    return (float32x4x2_t){
        {vsubq_f32(vcvtq_f32_u32(vandq_u32(vshrq_n_u32(lo, 1), seven)), middle),
         vsubq_f32(vcvtq_f32_u32(vandq_u32(vshrq_n_u32(hi, 1), seven)), middle)}
    };
}

static const struct arm_format iq4_kt_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq4_kt),
    .header_bytes = 4,
    .row_scale = header_of,
    .sub = 32,
    .largest = 126,
    .bias = CN_TRELLIS_MEAN,
    .codes = iq4_kt_codes,
    .scales = iq4_kt_scales,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ3_KT for Arm: how its codes and scales are taken apart.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale | 32 x u16: index | 32 bytes: signs |
 *
 * The generator: trellis_arm.h; its elements lose their signs and get those of the block, bit g of
 * the bytes for group g.
 */
#ifndef CN_IQ3_KT_ARM_H
#define CN_IQ3_KT_ARM_H

#include "quant/arm/trellis_arm.h"
#include "quant/ref/iq3_kt.h"

ALWAYS int8x16_t iq3_kt_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq3_kt *b = (const void *)step;
    const int8x16_t size = vabsq_s8(elements8(b->index[2 * i], b->index[2 * i + 1]));
    const uint8x16_t negative =
        vtstq_u8(vld1q_u8(b->sign + i % 2 * 16), vdupq_n_u8((uint8_t)(1 << (i / 2))));
    return negated(vreinterpretq_u8_s8(size), negative);
}

ALWAYS float32x4x2_t iq3_kt_scales(const uint8_t *step)
{
    const struct cn_block_iq3_kt *b = (const void *)step;
    return floats_of_u8(eight_nibbles(b->scale));
}

ALWAYS float iq3_kt_row_scale(const uint8_t *row)
{
    return header_of(row) * 1.01f;
}

static const struct arm_format iq3_kt_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq3_kt),
    .header_bytes = 4,
    .row_scale = iq3_kt_row_scale,
    .sub = 32,
    .largest = 126,
    .bias = CN_TRELLIS_MEAN,
    .codes = iq3_kt_codes,
    .scales = iq3_kt_scales,
};

#endif

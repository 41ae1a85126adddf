/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT for Arm: how its codes and scales are taken apart.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale code | 32 x u16: index |
 *
 * The generator: trellis_arm.h.
 */
#ifndef CN_IQ2_KT_ARM_H
#define CN_IQ2_KT_ARM_H

#include "quant/arm/trellis_arm.h"
#include "quant/ref/iq2_kt.h"

ALWAYS int8x16_t iq2_kt_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq2_kt *b = (const void *)step;
    return elements8(b->index[2 * i], b->index[2 * i + 1]);
}

ALWAYS float32x4x2_t iq2_kt_scales(const uint8_t *step)
{
    const struct cn_block_iq2_kt *b = (const void *)step;
    return nl_scales(eight_nibbles(b->scale));
}

ALWAYS float iq2_kt_row_scale(const uint8_t *row)
{
    return header_of(row) * 1.05f;
}

static const struct arm_format iq2_kt_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq2_kt),
    .header_bytes = 4,
    .row_scale = iq2_kt_row_scale,
    .sub = 32,
    .largest = 126,
    .bias = CN_TRELLIS_MEAN,
    .codes = iq2_kt_codes,
    .scales = iq2_kt_scales,
};

#endif

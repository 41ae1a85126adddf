/* SPDX-License-Identifier: MIT
 *
 * IQ1_KT for Arm: how its codes and scales are taken apart.
 *
 *   row: | d f32 |; block: | 8 bytes: scale code, 4 index bits | 32 low index bytes | 16 bytes |
 *
 * The generator: trellis_arm.h. Indices are put together in general registers.
 */
#ifndef CN_IQ1_KT_ARM_H
#define CN_IQ1_KT_ARM_H

#include "quant/arm/trellis_arm.h"
#include "quant/ref/iq1_kt.h"

ALWAYS uint32_t iq1_kt_index(const struct cn_block_iq1_kt *b, const int k)
{
    return b->low[k] | (uint32_t)(b->high[k % 16] >> (4 * (k / 16)) & 15) << 8 |
           (uint32_t)(b->head[k / 4] >> (4 + k % 4) & 1) << 12;
}

ALWAYS int8x16_t iq1_kt_codes(const uint8_t *step, const int i)
{
    const struct cn_block_iq1_kt *b = (const void *)step;
    return elements8(iq1_kt_index(b, 2 * i), iq1_kt_index(b, 2 * i + 1));
}

ALWAYS float32x4x2_t iq1_kt_scales(const uint8_t *step)
{
    const struct cn_block_iq1_kt *b = (const void *)step;
    return nl_scales(vand_u8(vld1_u8(b->head), vdup_n_u8(15)));
}

static const struct arm_format iq1_kt_arm = {
    .block_elems = 256,
    .block_bytes = sizeof(struct cn_block_iq1_kt),
    .header_bytes = 4,
    .row_scale = header_of,
    .sub = 32,
    .largest = 126,
    .bias = CN_TRELLIS_MEAN,
    .codes = iq1_kt_codes,
    .scales = iq1_kt_scales,
};

#endif

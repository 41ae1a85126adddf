/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS in registers of 256 bits: what its tiers share.
 *
 *   row: | d f32 | blocks |;  block: | 8 scale bytes | 128 bytes: 256 x 4-bit
 * code |
 *
 * vpshufb turns nibbles to levels. See gemv_levels.
 */
#ifndef CN_IQ4_KS_AVX2_H
#define CN_IQ4_KS_AVX2_H

#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_ks.h"

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    return levels_of_4_bits(b->q, cn_iq4_levels, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    return scales_of_bytes(b->scale);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    return shifted_of_bytes(b->scale);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq4_ks),
    .header_bytes = sizeof(float),
    .sub = 32,
    .shift = CN_IQ4_SHIFT,
    .panel_offset = 127,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS in registers of 256 bits: what its tiers share.
 *
 *   row: | d f32 | blocks |;  block: | 8 scale bytes | 128 bytes: low 4 bits |
 * 32 bytes: fifth bits |
 *
 * Two vpshufb look up nibbles among the lower and the upper 16 levels,
 * vpblendvb chooses by the fifth bit. See gemv_levels.
 */
#ifndef CN_IQ5_KS_AVX2_H
#define CN_IQ5_KS_AVX2_H

#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq5_ks.h"

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq5_ks *b = (const void *)bytes;
    return levels_of_5_bits(b->q, b->hi, cn_iq5_levels, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq5_ks *b = (const void *)bytes;
    return scales_of_bytes(b->scale);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq5_ks *b = (const void *)bytes;
    return shifted_of_bytes(b->scale);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq5_ks),
    .header_bytes = sizeof(float),
    .sub = 32,
    .shift = CN_IQ5_SHIFT,
    .panel_offset = 126,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

#endif

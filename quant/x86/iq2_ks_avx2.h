/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS in registers of 256 bits: what its tiers share.
 *
 *   row: | d f16 | blocks |;
 *   block: | u16 shifts, high scale bits | 4 bytes: low 4 bits of 8 scales | 64 bytes: 256 x 2-bit
 * code |
 *
 * A nibble has the codes of two groups: vpshufb looks up either with a table of its own. See
 * gemv_levels.
 */
#ifndef CN_IQ2_KS_AVX2_H
#define CN_IQ2_KS_AVX2_H

#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_ks.h"

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq2_ks *b = (const void *)bytes;
    return levels_of_2_bits(b->q, cn_iq2_levels, 31, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq2_ks *b = (const void *)bytes;
    return scales_by_pairs(b->scale, b->extra);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq2_ks *b = (const void *)bytes;
    return dwords_of_bits(b->extra, 0);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq2_ks),
    .header_bytes = sizeof(uint16_t),
    .sub = 32,
    .shift = CN_IQ2_SHIFT,
    .offset = 31,
    .largest = 48,
    .panel_offset = 31,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

#endif

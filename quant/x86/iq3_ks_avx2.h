/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS in registers of 256 bits: what its tiers share.
 *
 *   row: | d f16 | blocks |;  block: | u16 high scale bits, shifts | 4 bytes: low 4 bits of 8
 * scales | | 64 bytes: 256 x low 2 bits | 32 bytes: third bits |
 *
 * A nibble has the codes of two groups: vpshufb looks up either with a table of its own.
 * vpblendvb chooses by the third bit. See gemv_levels.
 */
#ifndef CN_IQ3_KS_AVX2_H
#define CN_IQ3_KS_AVX2_H

#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq3_ks.h"

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq3_ks *b = (const void *)bytes;
    return levels_of_3_bits(b->q, b->hi, cn_iq3_levels, 63, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq3_ks *b = (const void *)bytes;
    return scales_by_fours(b->scale, b->extra, 1);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq3_ks *b = (const void *)bytes;
    return dwords_of_bits(b->extra, 8);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq3_ks),
    .header_bytes = sizeof(uint16_t),
    .sub = 32,
    .shift = CN_IQ3_SHIFT,
    .offset = 63,
    .largest = 110,
    .panel_offset = 63,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

#endif

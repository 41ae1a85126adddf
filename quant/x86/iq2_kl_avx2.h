/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL in registers of 256 bits: what its tiers share.
 *
 *   row: | d f16 | blocks |;  block: | u16: high 2 bits, 4 bytes: low 4 bits of 8 scales |
 *   | 64 bytes: 128 x low 4 bits of a pair | 16 bytes: fifth bits |
 *
 * The first and the second levels of pairs are looked up as those of IQ5_K are, two vpshufb and a
 * blend each, and interleaved. See gemv_levels.
 */
#ifndef CN_IQ2_KL_AVX2_H
#define CN_IQ2_KL_AVX2_H

#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_kl.h"

/* Component i of the pairs of codes 16 n to 16 n + 15, with an offset. */
ALWAYS __m256i component(const int i, const int n)
{
    return _mm256_add_epi8(both_halves(pair_components(cn_iq2_kl_pairs, i), n),
                           _mm256_set1_epi8(63));
}

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq2_kl *b = (const void *)bytes;
    const __m256i v = load_pair(b->q + g / 2 * 16, b->q + g / 2 * 16 + 32);
    const __m256i low = _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
    const __m256i fifth = top_bits(b->hi, g);
    __m256i level[2];
    UNROLL for (int i = 0; i < 2; i++) level[i] =
        _mm256_blendv_epi8(_mm256_shuffle_epi8(component(i, 0), low),
                           _mm256_shuffle_epi8(component(i, 1), low), fifth);
    return h ? _mm256_unpackhi_epi8(level[0], level[1]) : _mm256_unpacklo_epi8(level[0], level[1]);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq2_kl *b = (const void *)bytes;
    return scales_by_fours(b->scale_lo, b->scale_hi, 2);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq2_kl *b = (const void *)bytes;
    (void)b;
    return _mm256_setzero_si256();
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq2_kl),
    .header_bytes = sizeof(uint16_t),
    .sub = 32,
    .offset = 63,
    .largest = 110,
    .panel_offset = 63,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

#endif

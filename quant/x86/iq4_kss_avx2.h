/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS in registers of 256 bits: what its tiers share.
 *
 *   row: | d f32 | blocks |;  block: | 64 u16, eight a group |
 *
 * Two words shifted against each other give the nibbles, vpmovmskb gathers the bits of the scale
 * bytes. See gemv_levels.
 */
#ifndef CN_IQ4_KSS_AVX2_H
#define CN_IQ4_KSS_AVX2_H

#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_kss.h"

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq4_kss *b = (const void *)bytes;
    __m256i v = _mm256_and_si256(load_pair(b->q[g], b->q[g + 4]), _mm256_set1_epi16(-2));
    v = _mm256_xor_si256(v, _mm256_srli_epi16(v, 1));
    return _mm256_shuffle_epi8(
        signed_codes(load_twice(cn_iq4_levels)),
        _mm256_and_si256(h ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15)));
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq4_kss *b = (const void *)bytes;
    const uint64_t s = word_bits(b->q);
    return scales_of_bytes((const uint8_t *)&s);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq4_kss *b = (const void *)bytes;
    const uint64_t s = word_bits(b->q);
    return shifted_of_bytes((const uint8_t *)&s);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq4_kss),
    .header_bytes = sizeof(float),
    .sub = 32,
    .shift = CN_IQ4_SHIFT,
    .panel_offset = 127,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q5_K in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 32 bytes: fifth bits |
 *   | 128 bytes: low 4 bits |
 *
 * 32 bytes of low bits are two groups (low and high nibbles); bit g of the fifth bits is shifted to
 * bit 4 for group g. See gemv_by_halves.
 */
#ifndef CN_Q5_K_AVX2_H
#define CN_Q5_K_AVX2_H

#include "quant/x86/gemv_halves_avx2.h"
#include "quant/x86/small_halves_avx2.h"

#include "quant/ref/q5_k.h"

/* The codes of groups 2i and 2i + 1. */
ALWAYS void codes_of(const struct cn_block_q5_k *b, const int i, __m256i *even, __m256i *odd)
{
    const __m256i nibble = _mm256_set1_epi8(15), bit = _mm256_set1_epi8(16);
    const __m256i v = load256(b->q + 32 * i), hi = load256(b->hi);
    __m256i hi_even = i < 2 ? _mm256_slli_epi16(hi, 4 - 2 * i) : _mm256_srli_epi16(hi, 2 * i - 4);
    __m256i hi_odd = i < 2 ? _mm256_slli_epi16(hi, 3 - 2 * i) : _mm256_srli_epi16(hi, 2 * i - 3);
    *even = _mm256_or_si256(_mm256_and_si256(v, nibble), _mm256_and_si256(hi_even, bit));
    *odd = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                           _mm256_and_si256(hi_odd, bit));
}

/* See gemv_by_halves. Bit g of the fifth bits, in the high half g + 4, goes to bit 4. */
ALWAYS __m256i codes(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_q5_k *b = (const struct cn_block_q5_k *)(const void *)bytes;
    const uint8_t *q = b->q + g / 2 * 32 + 16 * h;
    const __m256i v = load_pair(q, q + 64);
    const __m256i fifth = _mm256_srlv_epi64(_mm256_broadcastsi128_si256(load128(b->hi + 16 * h)),
                                            _mm256_setr_epi64x(0, 0, 4, 4));
    return _mm256_or_si256(
        _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15)),
        _mm256_and_si256(_mm256_slli_epi16(fifth, 4 - g), _mm256_set1_epi8(16)));
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_halves(codes, sizeof(struct cn_block_q5_k), n_rows, n_cols, w, row_bytes, x, y);
}

/* See struct small_layout. */
ALWAYS void unit(const uint8_t *b, const int u, struct small_codes *to)
{
    (void)u;
    small_halves(codes, b, to);
}

#endif

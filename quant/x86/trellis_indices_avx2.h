/* SPDX-License-Identifier: MIT
 *
 * The indices of IQ1_KT and IQ4_KT put together: sixteen words at a time.
 */
#ifndef CN_TRELLIS_INDICES_AVX2_H
#define CN_TRELLIS_INDICES_AVX2_H

#include "quant/ref/iq1_kt.h"
#include "quant/ref/iq4_kt.h"
#include "quant/x86/simd_avx2.h"

/* The indices of the 16 runs of groups 4 h .. 4 h + 3. */
ALWAYS __m256i iq1_kt_indices(const struct cn_block_iq1_kt *b, const int h)
{
    const __m256i low = _mm256_cvtepu8_epi16(load128(b->low + 16 * h)),
                  high = _mm256_cvtepu8_epi16(load128(b->high));
    const __m256i head = _mm256_shuffle_epi8(_mm256_set1_epi32((int)load32(b->head + 4 * h)),
                                             _mm256_setr_epi8(0, -1, 0, -1, 0, -1, 0, -1, 1, -1, 1,
                                                              -1, 1, -1, 1, -1, 2, -1, 2, -1, 2, -1,
                                                              2, -1, 3, -1, 3, -1, 3, -1, 3, -1));
    const __m256i to_bit_12 =
        _mm256_setr_epi16(256, 128, 64, 32, 256, 128, 64, 32, 256, 128, 64, 32, 256, 128, 64, 32);
    const __m256i top =
        _mm256_and_si256(_mm256_mullo_epi16(head, to_bit_12), _mm256_set1_epi16(0x1000));
    const __m256i middle =
        _mm256_and_si256(_mm256_slli_epi16(high, h ? 4 : 8), _mm256_set1_epi16(0xf00));
    return _mm256_or_si256(_mm256_or_si256(low, middle), top);
}

/* The indices of the runs of groups 2 p and 2 p + 1, 16 bits each. */
ALWAYS __m256i iq4_kt_indices(const struct cn_block_iq4_kt *b, const int p)
{
    const __m256i low = _mm256_cvtepu8_epi16(load128(b->low + 16 * p)),
                  high = _mm256_cvtepu8_epi16(load128(b->high + p % 2 * 16));
    const __m256i head =
        _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)load64(b->head + 8 * p)),
                            _mm256_setr_epi8(1, 2, 1, 2, 1, 2, 2, 3, 2, 3, 2, 3, 3, -1, 3, -1, 5, 6,
                                             5, 6, 5, 6, 6, 7, 6, 7, 6, 7, 7, -1, 7, -1));
    const __m256i half = _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)load64(b->head + 8 * p)),
                                             _mm256_setr_epi8(0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0,
                                                              -1, 0, -1, 0, -1, 4, -1, 4, -1, 4, -1,
                                                              4, -1, 4, -1, 4, -1, 4, -1, 4, -1));
    /* Bits 0, 3, 6, 1, 4, 7, 2 and 5 to bit 12. */
    const __m128i factor = _mm_setr_epi16(4096, 512, 64, 2048, 256, 32, 1024, 128);
    const __m256i top = _mm256_and_si256(
        _mm256_mullo_epi16(head, _mm256_broadcastsi128_si256(factor)), _mm256_set1_epi16(0x7000));
    const __m256i middle =
        _mm256_and_si256(_mm256_slli_epi16(high, p / 2 ? 4 : 8), _mm256_set1_epi16(0xf00));
    return _mm256_or_si256(_mm256_or_si256(low, middle),
                           _mm256_or_si256(top, _mm256_slli_epi16(half, 15)));
}

#endif

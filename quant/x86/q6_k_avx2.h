/* SPDX-License-Identifier: MIT
 *
 * Q6_K in registers of 256 bits: what its tiers share.
 *
 *   | 128 bytes: low 4 bits | 64 bytes: high 2 bits | 16 signed byte scales | d f16 |
 */
#ifndef CN_Q6_K_AVX2_H
#define CN_Q6_K_AVX2_H

#include "quant/x86/gemm_small_avx2.h"

#include "quant/ref/q6_k.h"

enum { OFFSET = 32 };

/* Unit h is half a block, whose groups of 16 g and g + 4 have their low four bits in the same
 * bytes.
 */
ALWAYS void unit(const uint8_t *block, const int h, struct small_codes *to)
{
    const struct cn_block_q6_k *b = (const void *)block;
    const __m256i low = _mm256_set1_epi8(15), high = _mm256_set1_epi8(48),
                  by = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    to->scale = _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)),
                              floats_of_i8(_mm_loadl_epi64((const void *)(b->scale + 8 * h))));
    UNROLL for (int i = 0; i < 2; i++)
    {
        const uint8_t *lo = b->lo + 64 * h + 16 * i;
        const __m256i lo0 = _mm256_srlv_epi32(load_twice(lo), by),
                      lo1 = _mm256_srlv_epi32(load_twice(lo + 32), by),
                      hi = _mm256_srlv_epi32(load_twice(b->hi + 32 * h + 16 * i), by);
        to->w[i] = _mm256_or_si256(_mm256_and_si256(lo0, low),
                                   _mm256_and_si256(_mm256_slli_epi16(hi, 4), high));
        to->w[2 + i] = _mm256_or_si256(_mm256_and_si256(lo1, low),
                                       _mm256_and_si256(_mm256_slli_epi16(hi, 2), high));
    }
    turn4(to->w);
}

#endif

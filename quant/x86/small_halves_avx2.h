/* SPDX-License-Identifier: MIT
 *
 * A few tokens of Q4_K and Q5_K, by the codes() of their gemv (gemv_halves_avx2.h): what those have
 * of groups g and g + 4 is turned in registers.
 */
#ifndef CN_SMALL_HALVES_AVX2_H
#define CN_SMALL_HALVES_AVX2_H

#include "quant/x86/gemm_small_avx2.h"

/* A block is a unit of eight groups of 32. */
ALWAYS void small_halves(__m256i (*halves)(const uint8_t *b, int g, int h), const uint8_t *b,
                         struct small_codes *to)
{
    const __m128i scales = k_scales(b + 4);
    to->scale = _mm256_mul_ps(_mm256_set1_ps(half_at(b)), floats_of_u8(scales));
    to->min =
        _mm256_mul_ps(_mm256_set1_ps(half_at(b + 2)), floats_of_u8(_mm_srli_si128(scales, 8)));
    UNROLL for (int h = 0; h < 2; h++)
    {
        UNROLL for (int g = 0; g < 4; g++) to->w[4 * h + g] = halves(b, g, h);
        turn4(to->w + 4 * h);
    }
}

#endif

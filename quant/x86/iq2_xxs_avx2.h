/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 8 x (4 bytes: indices of runs of 8 | u32: 4 x 7-bit sign code, 4-bit scale) |
 */
#ifndef CN_IQ2_XXS_AVX2_H
#define CN_IQ2_XXS_AVX2_H

#include "quant/x86/gemm_small_avx2.h"
#include "quant/x86/gemv_quads_avx2.h"

#include "quant/ref/iq2_xxs.h"

enum { OFFSET = 43 };

/* The u32 of each group. */
ALWAYS __m256i words_of(const struct cn_block_iq2_xxs *b)
{
    const __m256 v = _mm256_castsi256_ps(load256(&b->group[0])),
                 w = _mm256_castsi256_ps(load256(&b->group[4]));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(v, w, 0xdd)), 0xd8);
}

/* Scale of each group, without d / 4. */
ALWAYS __m256 scales_of(__m256i words)
{
    return _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(words, 28)), _mm256_set1_ps(0.5f));
}

/* Run i of groups g and g + 1 in the low, of g + 4 and g + 5 in the high half. */
ALWAYS __m256 runs_of(const struct cn_block_iq2_xxs *b, const int g, const int i)
{
    return _mm256_castsi256_ps(four_rows(cn_iq2_xxs_grid, b->group[g].index[i],
                                         b->group[g + 1].index[i], b->group[g + 4].index[i],
                                         b->group[g + 5].index[i]));
}

/* A grid's row is eight columns of a group, the lanes of two vectors. */
ALWAYS void unit(const uint8_t *block, const int u, struct small_codes *to)
{
    const struct cn_block_iq2_xxs *b = (const void *)block;
    const __m256i words = words_of(b), signs = even_signs(seven_bit_fields(words));
    (void)u;
    to->scale = _mm256_mul_ps(scales_of(words), _mm256_set1_ps(half_at(&b->d) * 0.25f));
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m256 v = runs_of(b, 0, i), w = runs_of(b, 2, i);
        to->w[2 * i] = _mm256_castps_si256(_mm256_shuffle_ps(v, w, 0x88));
        to->w[2 * i + 1] = _mm256_castps_si256(_mm256_shuffle_ps(v, w, 0xdd));
    }
    UNROLL for (int i = 0; i < 8; i++) to->w[i] =
        _mm256_add_epi8(negate(to->w[i], lane_sign_mask(signs, i)), _mm256_set1_epi8(OFFSET));
}

#endif

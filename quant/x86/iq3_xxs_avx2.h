/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 64 bytes: indices of runs of 4 | 8 x u32: 4 x 7-bit sign code, 4-bit scale |
 */
#ifndef CN_IQ3_XXS_AVX2_H
#define CN_IQ3_XXS_AVX2_H

#include "quant/x86/gemm_small_avx2.h"
#include "quant/x86/gemv_quads_avx2.h"

#include "quant/ref/iq3_xxs.h"

enum { OFFSET = 31 };

/* Scale of each group, without d / 2. */
ALWAYS __m256 scales_of(const struct cn_block_iq3_xxs *b)
{
    return _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(load256(b->rest), 28)),
                         _mm256_set1_ps(0.5f));
}

/* A grid's row is four columns of a group, a lane: nothing has to be turned. */
ALWAYS void unit(const uint8_t *block, const int u, struct small_codes *to)
{
    const struct cn_block_iq3_xxs *b = (const void *)block;
    const __m256i signs = even_signs(seven_bit_fields(load256(b->rest)));
    (void)u;
    to->scale = _mm256_mul_ps(scales_of(b), _mm256_set1_ps(half_at(&b->d)));
    UNROLL for (int i = 0; i < 8; i++)
    {
        const uint8_t *p = b->index + i;
        const __m256i v = _mm256_srli_epi16(
            eight_rows(cn_iq3_xxs_grid, p[0], p[8], p[16], p[24], p[32], p[40], p[48], p[56]), 1);
        to->w[i] = _mm256_add_epi8(negate(v, lane_sign_mask(signs, i)), _mm256_set1_epi8(OFFSET));
    }
}

#endif

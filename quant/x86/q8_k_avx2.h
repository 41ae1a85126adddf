/* SPDX-License-Identifier: MIT
 *
 * Q8_K in registers of 256 bits: what its tiers share.
 *
 *   | d float | 256 signed bytes q | 16 x i16: sums of sixteen q |        w = d * q
 *
 * The sign of a weight goes to its activation, so that vpmaddubsw sees unsigned weights; the
 * activations' eight scales meet the block's one. The sums are not needed. Bound by memory.
 */
#ifndef CN_Q8_K_AVX2_H
#define CN_Q8_K_AVX2_H

#include "quant/x86/simd_avx2.h"

#include "quant/ref/q8_k.h"

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q8_k *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            __m256 scale[2],
                acc[2] = { _mm256_setzero_ps(),
                           offset_sums(_mm256_set1_ps(1), SIGNED_ZERO, x->sum32 + c / 32) };
            split_halves(_mm256_loadu_ps(x->d + c / 32), scale);
            UNROLL for (int g = 0; g < 8; g++)
            {
                const __m256i dot =
                    dot_signed(signed_codes(load256(b->q + 32 * g)), load256(x->q + c + 32 * g));
                acc[g % 2] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), element(scale, g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(b->d), _mm256_add_ps(acc[0], acc[1]), total);
        }
        y[r] = sum_ps(total);
    }
}

#endif

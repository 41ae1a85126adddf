/* SPDX-License-Identifier: MIT
 *
 * gemv of Q4_K and Q5_K: two groups of 32 columns in the halves of a vector.
 */
#ifndef CN_GEMV_HALVES_AVX2_H
#define CN_GEMV_HALVES_AVX2_H

#include "quant/x86/simd_avx2.h"

/* y = W x of Q4_K and Q5_K, blocks of | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, minimum) |
 * ...: groups g and g + 4 (g < 4) lie in the halves of a vector, so that one scale of each half
 * serves it. codes() are elements 16 h to 16 h + 15 of both, at most 31. The activations are put in
 * that order once per call. The product of scale and activation scale is made for eight groups at
 * once; the minima meet the sums of the activations likewise, lane = group. */
ALWAYS void gemv_by_halves(__m256i (*codes)(const uint8_t *b, int g, int h), const int block_bytes,
                           int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    _Alignas(32) int8_t strip[QUAD_COLS / 256][4][2][32];
    for (int64_t c0 = 0; c0 < n_cols || c0 == 0; c0 += QUAD_COLS) {
        const int64_t n = (n_cols - c0 < QUAD_COLS ? n_cols - c0 : QUAD_COLS) / 256;
        for (int64_t i = 0; i < n; i++)
            for (int g = 0; g < 4; g++)
                for (int h = 0; h < 2; h++) {
                    const int8_t *q = x->q + c0 + 256 * i + 32 * g + 16 * h;
                    store256(strip[i][g][h], load_pair(q, q + 128));
                }
        for (int64_t r = 0; r < n_rows; r++) {
            const uint8_t *b = (const uint8_t *)row_at(w, r, row_bytes) + c0 / 256 * block_bytes;
            const float *d = x->d + c0 / 32, *sum32 = x->sum32 + c0 / 32;
            __m256 total = _mm256_setzero_ps();
            for (int64_t i = 0; i < n; i++, b += block_bytes, d += 8, sum32 += 8) {
                prefetch(b, block_bytes);
                const __m128i scales = k_scales(b + 4);
                const __m256 scale = _mm256_mul_ps(floats_of_u8(scales), _mm256_loadu_ps(d));
                __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
                UNROLL for (int g = 0; g < 4; g++)
                {
                    const __m256i dot = dot_two(codes(b, g, 0), codes(b, g, 1),
                                                load256(strip[i][g][0]), load256(strip[i][g][1]));
                    acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), lane_broadcast(scale, g),
                                                 acc[g % 2]);
                }
                total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(b)), _mm256_add_ps(acc[0], acc[1]),
                                        total);
                const __m256 mins =
                    _mm256_mul_ps(floats_of_u8(_mm_srli_si128(scales, 8)), _mm256_loadu_ps(sum32));
                total = _mm256_fnmadd_ps(_mm256_set1_ps(half_at(b + 2)), mins, total);
            }
            y[r] = c0 ? y[r] + sum_ps(total) : sum_ps(total);
        }
    }
}

#endif

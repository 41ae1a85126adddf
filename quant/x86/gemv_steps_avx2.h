/* SPDX-License-Identifier: MIT
 *
 * gemv of formats with blocks of 32: eight blocks a step.
 */
#ifndef CN_GEMV_STEPS_AVX2_H
#define CN_GEMV_STEPS_AVX2_H

#include "quant/x86/simd_avx2.h"

/* y = W x of a format with blocks of 32: step() adds the products of eight blocks (256 columns) to
 * the eight sums `total`. Blocks of zeros make up for what the last step of a row lacks: they lie
 * in a copy, so nothing is read beyond the row. */
ALWAYS void gemv_by_steps(__m256 (*step)(const uint8_t *b, const int8_t *q, const float *d,
                                         const float *sum32, __m256 total),
                          const int block_bytes, int64_t n_rows, int64_t n_cols, const void *w,
                          size_t row_bytes, const struct cn_act *x, float *y)
{
    const int64_t whole = n_cols / 256 * 256;
    const size_t rest = (size_t)(n_cols - whole);
    int8_t q[256] = { 0 };
    float d[8] = { 0 }, sum32[8] = { 0 };
    uint8_t blocks[8 * 40] = { 0 };
    if (rest) {
        memcpy(q, x->q + whole, rest);
        memcpy(d, x->d + whole / 32, rest / 32 * sizeof *d);
        memcpy(sum32, x->sum32 + whole / 32, rest / 32 * sizeof *sum32);
    }
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < whole; c += 256, b += 8 * block_bytes) {
            prefetch(b, 8 * block_bytes);
            total = step(b, x->q + c, x->d + c / 32, x->sum32 + c / 32, total);
        }
        if (rest) {
            memcpy(blocks, b, rest / 32 * (size_t)block_bytes);
            total = step(blocks, q, d, sum32, total);
        }
        y[r] = sum_ps(total);
    }
}

/* A step (see gemv_by_steps) of formats whose blocks g and g + 4 share a vector, one in each half:
 * dot_pair() gives the codes of the two times their activations. offsets: what the eight sums begin
 * with beside `total`. */
ALWAYS __m256 step_of_pairs(__m256i (*dot_pair)(const void *b, const void *b2, const int8_t *q,
                                                const int8_t *q2),
                            const int block_bytes, __m256 scales, __m256 offsets, const uint8_t *b,
                            const int8_t *q, const float *d, __m256 total)
{
    const __m256 scale = _mm256_mul_ps(scales, _mm256_loadu_ps(d));
    __m256 acc[2] = { total, offsets };
    UNROLL for (int g = 0; g < 4; g++)
    {
        __m256i dot =
            dot_pair(b + g * block_bytes, b + (g + 4) * block_bytes, q + 32 * g, q + 32 * g + 128);
        acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), lane_broadcast(scale, g), acc[g % 2]);
    }
    return _mm256_add_ps(acc[0], acc[1]);
}

/* A step (see gemv_by_steps) of formats of signed bytes: the f16 scale begins a block, the bytes
 * begin at `at`. The eight scales are picked up and multiplied with the activations' at once. */
ALWAYS __m256 step_of_bytes(const int block_bytes, const int at, const uint8_t *b, const int8_t *q,
                            const float *d, const float *sum32, __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(b, block_bytes));
    __m256 scale[2], acc[2] = { total, offset_sums(scales, SIGNED_ZERO, sum32) };
    split_halves(_mm256_mul_ps(scales, _mm256_loadu_ps(d)), scale);
    UNROLL for (int g = 0; g < 8; g++)
    {
        const __m256i w = signed_codes(load256(b + g * block_bytes + at));
        const __m256i dot = dot_signed(w, load256(q + 32 * g));
        acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), element(scale, g), acc[g % 2]);
    }
    return _mm256_add_ps(acc[0], acc[1]);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * gemv and unpack of float formats.
 */
#ifndef CN_GEMV_FLOATS_AVX2_H
#define CN_GEMV_FLOATS_AVX2_H

#include "quant/x86/simd_avx2.h"

/* y = W x of a float format: `eight` and `one` read elements of `bytes` bytes as floats. */
ALWAYS void gemv_of_floats(__m256 (*eight)(const uint8_t *b), float (*one)(const uint8_t *b),
                           const int bytes, int64_t n_rows, int64_t n_cols, const void *w,
                           size_t row_bytes, const float *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *b = row_at(w, r, row_bytes);
        __m256 acc[4];
        UNROLL for (int i = 0; i < 4; i++) acc[i] = _mm256_setzero_ps();
        int64_t c = 0;
        for (; c + 32 <= n_cols; c += 32) {
            prefetch(b + c * bytes, 32 * bytes);
            UNROLL for (int i = 0; i < 4; i++) acc[i] = _mm256_fmadd_ps(
                eight(b + (c + 8 * i) * bytes), _mm256_loadu_ps(x + c + 8 * i), acc[i]);
        }
        for (; c + 8 <= n_cols; c += 8)
            acc[0] = _mm256_fmadd_ps(eight(b + c * bytes), _mm256_loadu_ps(x + c), acc[0]);
        float sum =
            sum_ps(_mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
        for (; c < n_cols; c++)
            sum += one(b + c * bytes) * x[c];
        y[r] = sum;
    }
}

/* The float panel of such a row. */
ALWAYS void unpack_floats(__m256 (*eight)(const uint8_t *b), float (*one)(const uint8_t *b),
                          const int bytes, int64_t n_cols, const void *row, uint8_t *codes,
                          size_t chunk_stride)
{
    const uint8_t *b = row;
    int64_t c = 0;
    for (; c + 8 <= n_cols; c += 8)
        _mm256_storeu_ps((float *)(void *)(codes + (size_t)(c / 16) * chunk_stride + c % 16 * 4),
                         eight(b + c * bytes));
    for (; c < n_cols; c++) {
        const float value = one(b + c * bytes);
        memcpy(codes + (size_t)(c / 16) * chunk_stride + c % 16 * 4, &value, sizeof value);
    }
}

#endif

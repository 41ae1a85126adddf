/* SPDX-License-Identifier: MIT
 *
 * BF16 for AVX2: an element is the upper half of a float.
 *
 * Four sums of eight columns each run side by side; weights are asked for ahead of use. Columns
 * beyond the last eight are done one by one.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, sums of n_cols / 32 terms.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/bf16.h"

extern const struct cn_kernels cn_bf16_avx2;

/* Eight elements. */
ALWAYS __m256 floats(const struct cn_block_bf16 *b)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(b)), 16));
}

ALWAYS float float_of(const struct cn_block_bf16 *b)
{
    return cn_bf16_to_f32(b->h);
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_bf16 *b = row_at(w, r, row_bytes);
        __m256 acc[4];
        UNROLL for (int i = 0; i < 4; i++) acc[i] = _mm256_setzero_ps();
        int64_t c = 0;
        for (; c + 32 <= n_cols; c += 32) {
            prefetch((const uint8_t *)(b + c), 32 * sizeof *b);
            UNROLL for (int i = 0; i < 4; i++) acc[i] =
                _mm256_fmadd_ps(floats(b + c + 8 * i), _mm256_loadu_ps(x->x + c + 8 * i), acc[i]);
        }
        for (; c + 8 <= n_cols; c += 8)
            acc[0] = _mm256_fmadd_ps(floats(b + c), _mm256_loadu_ps(x->x + c), acc[0]);
        float sum =
            sum_ps(_mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
        for (; c < n_cols; c++)
            sum += float_of(b + c) * x->x[c];
        y[r] = sum;
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_bf16 *b = row;
    (void)scale;
    (void)min;
    int64_t c = 0;
    for (; c + 8 <= n_cols; c += 8)
        _mm256_storeu_ps((float *)(void *)(codes + (size_t)(c / 16) * chunk_stride + c % 16 * 4),
                         floats(b + c));
    for (; c < n_cols; c++) {
        const float value = float_of(b + c);
        memcpy(codes + (size_t)(c / 16) * chunk_stride + c % 16 * 4, &value, sizeof value);
    }
}

const struct cn_kernels cn_bf16_avx2 = { .gemv = gemv, .unpack = unpack, .panel = { .sub = 0 } };

/* SPDX-License-Identifier: MIT
 *
 * BF16 for AVX2: an element is the upper half of a float.
 *
 * Four sums of eight columns each run side by side; weights are asked for ahead of use. Columns
 * beyond the last eight are done one by one.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, sums of n_cols / 32 terms.
 */
#include "quant/x86/gemv_floats_avx2.h"

#include "quant/ref/bf16.h"

extern const struct cn_kernels cn_bf16_avx2;

ALWAYS __m256 eight(const uint8_t *b)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(b)), 16));
}

ALWAYS float one(const uint8_t *b)
{
    return cn_bf16_to_f32(load16(b));
}

static void bf16_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    gemv_of_floats(eight, one, sizeof(struct cn_block_bf16), n_rows, n_cols, w, row_bytes, x->x, y);
}

static void bf16_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    (void)scale;
    (void)min;
    unpack_floats(eight, one, sizeof(struct cn_block_bf16), n_cols, row, codes, chunk_stride);
}

const struct cn_kernels cn_bf16_avx2 = { .gemv = bf16_gemv_avx2,
                                         .unpack = bf16_unpack_avx2,
                                         .panel = { .sub = 0 } };

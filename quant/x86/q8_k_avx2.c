/* SPDX-License-Identifier: MIT
 *
 * Q8_K for AVX2.
 *
 *   | d float | 256 signed bytes q | 16 x i16: sums of sixteen q |        w = d * q
 *
 * The sign of a weight goes to its activation, so that vpmaddubsw sees unsigned weights; the
 * activations' eight scales meet the block's one. The sums are not needed. Bound by memory.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q8_k.h"

extern const struct cn_kernels cn_q8_k_avx2;

static void q8_k_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q8_k *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            __m256 scale[2], acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            split_halves(_mm256_loadu_ps(x->d + c / 32), scale);
            UNROLL for (int g = 0; g < 8; g++)
            {
                __m256i dot = dot_i8(load256(b->q + 32 * g), load256(x->q + c + 32 * g));
                acc[g % 2] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), element(scale, g), acc[g % 2]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(b->d), _mm256_add_ps(acc[0], acc[1]), total);
        }
        y[r] = sum_ps(total);
    }
}

static void q8_k_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q8_k *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_set1_ps(b->d));
        for (int g = 0; g < 8; g++)
            put_bytes(codes, chunk_stride, c + 32 * g, b->q + 32 * g);
    }
}

const struct cn_kernels cn_q8_k_avx2 = {
    .gemv = q8_k_gemv_avx2,
    .unpack = q8_k_unpack_avx2,
    .panel = {.code_max = 255, .offset = 128, .sub = 32},
};

/* SPDX-License-Identifier: MIT
 *
 * Q8_0 for AVX2.
 *
 *   | d f16 | 32 signed bytes q |
 *
 * The sign of a weight goes to its activation, so that vpmaddubsw sees unsigned weights. The eight
 * scales of 256 columns are picked up and multiplied with the activations' at once. Bound by
 * memory.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, one term a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/quant.h"
#include "quant/ref/q8_0.h"

extern const struct cn_kernels cn_q8_0_avx2;

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q8_0 *b = row_at(w, r, row_bytes);
        __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
        int64_t c = 0;
        for (; c + 256 <= n_cols; c += 256, b += 8) {
            prefetch((const uint8_t *)b, 8 * sizeof *b);
            float scale[8];
            _mm256_storeu_ps(scale, _mm256_mul_ps(halves_at((const uint8_t *)b, sizeof *b),
                                                  _mm256_loadu_ps(x->d + c / 32)));
            UNROLL for (int g = 0; g < 8; g++)
            {
                __m256i dot = dot_i8(load256(b[g].q), load256(x->q + c + 32 * g));
                acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                             _mm256_broadcast_ss(scale + g), acc[g % 2]);
            }
        }
        for (; c < n_cols; c += 32, b++) {
            __m256i dot = dot_i8(load256(b->q), load256(x->q + c));
            acc[0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                     _mm256_set1_ps(half_at(&b->d) * x->d[c / 32]), acc[0]);
        }
        y[r] = sum_ps(_mm256_add_ps(acc[0], acc[1]));
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_q8_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        put_codes(codes, chunk_stride, c,
                  _mm256_xor_si256(load256(b->q), _mm256_set1_epi8((char)128)));
    }
}

const struct cn_kernels cn_q8_0_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 255, .offset = 128, .sub = 32},
};

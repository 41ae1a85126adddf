/* SPDX-License-Identifier: MIT
 *
 * Q8_1 for AVX2.
 *
 *   | d f16 | s f16: d * sum of q | 32 signed bytes q |
 *
 * The sign of a weight goes to its activation, so that vpmaddubsw sees unsigned weights. The eight
 * scales of 256 columns are picked up and multiplied with the activations' at once; s is
 * not needed. Bound by memory.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, one term a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q8_1.h"

extern const struct cn_kernels cn_q8_1_avx2;

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const struct cn_block_q8_1 *b = (const void *)bytes;
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof *b));
    __m256 scale[2];
    split_halves(_mm256_mul_ps(scales, _mm256_loadu_ps(d)), scale);
    __m256 acc[2] = { total, _mm256_setzero_ps() };
    (void)sum32;
    UNROLL for (int g = 0; g < 8; g++)
    {
        __m256i dot = dot_i8(load256(b[g].q), load256(q + 32 * g));
        acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), element(scale, g), acc[g % 2]);
    }
    return _mm256_add_ps(acc[0], acc[1]);
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q8_1), n_rows, n_cols, w, row_bytes, x, y);
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_q8_1 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        put_codes(codes, chunk_stride, c,
                  _mm256_xor_si256(load256(b->q), _mm256_set1_epi8((char)128)));
    }
}

const struct cn_kernels cn_q8_1_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 255, .offset = 128, .sub = 32},
};

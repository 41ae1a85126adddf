/* SPDX-License-Identifier: MIT
 *
 * Q8_0 for AVX2. Block, idea: q8_0_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, one term a block.
 */
#include "quant/x86/q8_0_avx2.h"

#include "quant/x86/gemm_small_avx2.h"

extern const struct cn_kernels cn_q8_0_avx2;

X86_GEMV(q8_0, avx2)

static void q8_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q8_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        put_bytes(codes, chunk_stride, c, b->q);
    }
}

static void q8_0_small_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes, float *scale,
                                   float *min)
{
    const struct cn_block_q8_0 *b = blocks;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b += 8, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_cvtph_ps(words_at((const uint8_t *)b, sizeof *b)));
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256i v[4];
            UNROLL for (int g = 0; g < 4; g++) v[g] =
                load_pair(b[g].q + 16 * h, b[g + 4].q + 16 * h);
            turn4(v);
            UNROLL for (int i = 0; i < 4; i++, codes += 64) store_words(codes, v[i]);
        }
    }
}

static const struct cn_small_format q8_0_small_avx2 = { .unpack = q8_0_small_unpack_avx2 };

const struct cn_kernels cn_q8_0_avx2 = {
    .gemv = q8_0_gemv_avx2,
    .unpack = q8_0_unpack_avx2,
    .small = &q8_0_small_avx2,
    .panel = {.code_max = 255, .offset = 128, .sub = 32},
};

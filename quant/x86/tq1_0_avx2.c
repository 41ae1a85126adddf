/* SPDX-License-Identifier: MIT
 *
 * TQ1_0 for AVX2. Block, idea: tq1_0_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/tq1_0_avx2.h"

extern const struct cn_kernels cn_tq1_0_avx2;

X86_GEMV(tq1_0, avx2)

static void tq1_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_tq1_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        __m256i code[8];
        codes_of(b, code);
        _mm256_storeu_ps(scale, _mm256_set1_ps(half_at(&b->d)));
        UNROLL for (int g = 0; g < 8; g++) put_codes(codes, chunk_stride, c + 32 * g, code[g]);
    }
}

const struct cn_kernels cn_tq1_0_avx2 = {
    .gemv = tq1_0_gemv_avx2,
    .unpack = tq1_0_unpack_avx2,
    .panel = {.code_max = 2, .offset = 1, .sub = 32},
};

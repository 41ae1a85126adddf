/* SPDX-License-Identifier: MIT
 *
 * MXFP4 for AVX2. Block, idea: mxfp4_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, two terms a block.
 */
#include "quant/x86/mxfp4_avx2.h"

extern const struct cn_kernels cn_mxfp4_avx2;

X86_GEMV(mxfp4, avx2)

static void mxfp4_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_mxfp4 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        const __m256 power = powers(_mm256_set1_epi32(b->e));
        *scale++ = _mm256_cvtss_f32(power);
        put_codes(codes, chunk_stride, c, _mm256_shuffle_epi8(code_table(), nibbles(b->q)));
    }
}

const struct cn_kernels cn_mxfp4_avx2 = {
    .gemv = mxfp4_gemv_avx2,
    .unpack = mxfp4_unpack_avx2,
    .panel = {.code_max = 24, .offset = OFFSET, .sub = 32},
};

/* SPDX-License-Identifier: MIT
 *
 * Q8_K for AVX2. Block, idea: q8_k_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/q8_k_avx2.h"

extern const struct cn_kernels cn_q8_k_avx2;

X86_GEMV(q8_k, avx2)

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

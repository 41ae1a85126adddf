/* SPDX-License-Identifier: MIT
 *
 * Q5_K for AVX2. Block, idea: q5_k_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/q5_k_avx2.h"

extern const struct cn_kernels cn_q5_k_avx2;

X86_GEMV(q5_k, avx2)

static void q5_k_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q5_k *b = row;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8, min += 8) {
        const __m128i scales = k_scales(b->scales);
        _mm256_storeu_ps(scale,
                         _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)), floats_of_u8(scales)));
        _mm256_storeu_ps(min, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->dmin)),
                                            floats_of_u8(_mm_srli_si128(scales, 8))));
        UNROLL for (int i = 0; i < 4; i++)
        {
            __m256i even, odd;
            codes_of(b, i, &even, &odd);
            put_codes(codes, chunk_stride, c + 64 * i, even);
            put_codes(codes, chunk_stride, c + 64 * i + 32, odd);
        }
    }
}

SMALL_FORMAT(q5_k, avx2, sizeof(struct cn_block_q5_k), 1, true, 4, 32, CN_SMALL_MIN)

const struct cn_kernels cn_q5_k_avx2 = {
    .gemv = q5_k_gemv_avx2,
    .unpack = q5_k_unpack_avx2,
    .small = &q5_k_small_avx2,
    .panel = {.code_max = 31, .sub = 32, .has_min = true},
};

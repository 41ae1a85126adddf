/* SPDX-License-Identifier: MIT
 *
 * Q4_K for AVX2. Block, idea: q4_k_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding of 8 group sums a block.
 */
#include "quant/x86/q4_k_avx2.h"

extern const struct cn_kernels cn_q4_k_avx2;

X86_GEMV(q4_k, avx2)

static void q4_k_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const struct cn_block_q4_k *b = row;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8, min += 8) {
        const __m128i scales = k_scales(b->scales);
        _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)),
                                              _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scales))));
        _mm256_storeu_ps(min, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->dmin)),
                                            _mm256_cvtepi32_ps(
                                                _mm256_cvtepu8_epi32(_mm_srli_si128(scales, 8)))));
        for (int i = 0; i < 4; i++, codes += chunk_stride) {
            __m256i v = load256(b->q + 32 * i);
            _mm256_storeu_si256((__m256i *)(void *)codes, _mm256_and_si256(v, nibble));
            _mm256_storeu_si256((__m256i *)(void *)(codes + 32),
                                _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
        }
    }
}

SMALL_FORMAT(q4_k, avx2, sizeof(struct cn_block_q4_k), 1, true, 8, 32, CN_SMALL_MIN)

const struct cn_kernels cn_q4_k_avx2 = {
    .gemv = q4_k_gemv_avx2,
    .unpack = q4_k_unpack_avx2,
    .small = &q4_k_small_avx2,
    .panel = {.code_max = 15, .offset = 0, .sub = 32, .has_min = true},
};

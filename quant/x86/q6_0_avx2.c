/* SPDX-License-Identifier: MIT
 *
 * Q6_0 for AVX2. Block, idea: q6_0_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, two terms a block.
 */
#include "quant/x86/q6_0_avx2.h"

extern const struct cn_kernels cn_q6_0_avx2;

X86_GEMV(q6_0, avx2)

static void q6_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q6_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        const __m256i v = load_twice(b->q), high = high_bits(b, b);
        *scale++ = half_at(&b->d);
        put_codes(codes, chunk_stride, c,
                  _mm256_blend_epi32(first_codes(v, high), last_codes(v, high), 0xf0));
    }
}

const struct cn_kernels cn_q6_0_avx2 = {
    .gemv = q6_0_gemv_avx2,
    .unpack = q6_0_unpack_avx2,
    .panel = {.code_max = 63, .offset = OFFSET, .sub = 32},
};

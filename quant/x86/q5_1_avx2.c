/* SPDX-License-Identifier: MIT
 *
 * Q5_1 for AVX2. Block, idea: q5_1_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, two terms a block.
 */
#include "quant/x86/q5_1_avx2.h"

extern const struct cn_kernels cn_q5_1_avx2;

X86_GEMV(q5_1, avx2)

static void q5_1_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q5_1 *b = row;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        *min++ = -half_at(&b->m);
        put_codes(codes, chunk_stride, c, codes_of(b));
    }
}

const struct cn_kernels cn_q5_1_avx2 = {
    .gemv = q5_1_gemv_avx2,
    .unpack = q5_1_unpack_avx2,
    .panel = {.code_max = 31, .sub = 32, .has_min = true},
};

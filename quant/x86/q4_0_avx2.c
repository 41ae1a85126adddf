/* SPDX-License-Identifier: MIT
 *
 * Q4_0 for AVX2. Block, idea: q4_0_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, two terms a block.
 */
#include "quant/x86/q4_0_avx2.h"

extern const struct cn_kernels cn_q4_0_avx2;

X86_GEMV(q4_0, avx2)

static void q4_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q4_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        put_codes(codes, chunk_stride, c, nibbles(b->q));
    }
}

const struct cn_kernels cn_q4_0_avx2 = {
    .gemv = q4_0_gemv_avx2,
    .unpack = q4_0_unpack_avx2,
    .panel = {.code_max = 15, .offset = OFFSET, .sub = 32},
};

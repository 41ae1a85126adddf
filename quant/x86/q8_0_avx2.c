/* SPDX-License-Identifier: MIT
 *
 * Q8_0 for AVX2.
 *
 *   | d f16 | 32 signed bytes q |
 *
 * See step_of_bytes. Bound by memory.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, one term a block.
 */
#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q8_0.h"

#include <stddef.h>

extern const struct cn_kernels cn_q8_0_avx2;

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    (void)sum32;
    return step_of_bytes(sizeof(struct cn_block_q8_0), offsetof(struct cn_block_q8_0, q), bytes, q,
                         d, total);
}

static void q8_0_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q8_0), n_rows, n_cols, w, row_bytes, x, y);
}

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

const struct cn_kernels cn_q8_0_avx2 = {
    .gemv = q8_0_gemv_avx2,
    .unpack = q8_0_unpack_avx2,
    .panel = {.code_max = 255, .offset = 128, .sub = 32},
};

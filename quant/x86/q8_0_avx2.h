/* SPDX-License-Identifier: MIT
 *
 * Q8_0 in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 32 signed bytes q |
 *
 * See step_of_bytes. Bound by memory.
 */
#ifndef CN_Q8_0_AVX2_H
#define CN_Q8_0_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q8_0.h"

#include <stddef.h>

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    return step_of_bytes(sizeof(struct cn_block_q8_0), offsetof(struct cn_block_q8_0, q), bytes, q,
                         d, sum32, total);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q8_0), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

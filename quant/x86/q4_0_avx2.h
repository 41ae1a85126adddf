/* SPDX-License-Identifier: MIT
 *
 * Q4_0 in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * (code - 8)
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: the low nibbles are 16 columns of
 * both, the high nibbles the other 16, and their products add up in 16 bits. Scales are made eight
 * at a time; the offset meets the sums of the activations, lane = block.
 */
#ifndef CN_Q4_0_AVX2_H
#define CN_Q4_0_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q4_0.h"

enum { OFFSET = 8 };

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_q4_0 *b = first, *b2 = second;
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q);
    return dot_two(_mm256_and_si256(v, nibble), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                   load_pair(q, q2), load_pair(q + 16, q2 + 16));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof(struct cn_block_q4_0)));
    return step_of_pairs(dot_pair, sizeof(struct cn_block_q4_0), scales,
                         offset_sums(scales, OFFSET, sum32), bytes, q, d, total);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q4_0), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q4_1 in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | m f16 | 16 bytes: 32 x 4-bit code |        w = code * d + m
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: the low nibbles are 16 columns of
 * both, the high nibbles the other 16, and their products add up in 16 bits. Scales are made eight
 * at a time; m meets the sums of the activations, lane = block.
 */
#ifndef CN_Q4_1_AVX2_H
#define CN_Q4_1_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q4_1.h"

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const struct cn_block_q4_1 *b, const struct cn_block_q4_1 *b2,
                        const int8_t *q, const int8_t *q2)
{
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q);
    return dot_two(_mm256_and_si256(v, nibble), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                   load_pair(q, q2), load_pair(q + 16, q2 + 16));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const struct cn_block_q4_1 *b = (const void *)bytes;
    __m256 scales, added;
    two_halves_at(bytes, sizeof *b, &scales, &added);
    const __m256 scale = _mm256_mul_ps(scales, _mm256_loadu_ps(d));
    __m256 acc[2] = { total, _mm256_mul_ps(added, _mm256_loadu_ps(sum32)) };
    UNROLL for (int g = 0; g < 4; g++)
    {
        __m256i dot = dot_pair(b + g, b + g + 4, q + 32 * g, q + 32 * g + 128);
        acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), lane_broadcast(scale, g), acc[g % 2]);
    }
    return _mm256_add_ps(acc[0], acc[1]);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q4_1), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

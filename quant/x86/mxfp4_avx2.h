/* SPDX-License-Identifier: MIT
 *
 * MXFP4 in registers of 256 bits: what its tiers share.
 *
 *   | exponent E, a byte | 16 bytes: 32 x 4-bit code |        w = level[code] * 2^(E - 128)
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: vpshufb turns their nibbles to
 * level + 12, unsigned and small enough for two products to add up in 16 bits. Scales are made
 * eight at a time; the offset meets the sums of the activations, lane = block.
 */
#ifndef CN_MXFP4_AVX2_H
#define CN_MXFP4_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/mxfp4.h"

enum { OFFSET = 12 };

/* The levels made unsigned. */
ALWAYS __m256i code_table(void)
{
    return _mm256_add_epi8(load_twice(cn_mxfp4_levels), _mm256_set1_epi8(OFFSET));
}

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_mxfp4 *b = first, *b2 = second;
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q);
    const __m256i lo = _mm256_shuffle_epi8(code_table(), _mm256_and_si256(v, nibble));
    const __m256i hi =
        _mm256_shuffle_epi8(code_table(), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    return dot_two(lo, hi, load_pair(q, q2), load_pair(q + 16, q2 + 16));
}

/* 2^(e - 128) of eight exponents, the first two of them subnormal. */
ALWAYS __m256 powers(__m256i e)
{
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i small =
        _mm256_sllv_epi32(_mm256_set1_epi32(1 << 21), _mm256_min_epi32(e, _mm256_set1_epi32(2)));
    return _mm256_castsi256_ps(_mm256_max_epi32(normal, small));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m128i e =
        _mm_and_si128(words_at(bytes, sizeof(struct cn_block_mxfp4)), _mm_set1_epi16(255));
    const __m256 scales = powers(_mm256_cvtepu16_epi32(e));
    return step_of_pairs(dot_pair, sizeof(struct cn_block_mxfp4), scales,
                         offset_sums(scales, OFFSET, sum32), bytes, q, d, total);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_mxfp4), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

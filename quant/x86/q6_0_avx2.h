/* SPDX-License-Identifier: MIT
 *
 * Q6_0 in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 8 bytes: bits 4 and 5 | 16 bytes: low 4 bits |        w = d * (code - 32)
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: the low nibbles are 16 columns of
 * both, the high nibbles the other 16, and their products add up in 16 bits. The high bits of a
 * half are eight bytes twice, the second time shifted by a nibble. Scales are made eight at a time;
 * the offset meets the sums of the activations, lane = block.
 */
#ifndef CN_Q6_0_AVX2_H
#define CN_Q6_0_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q6_0.h"

enum { OFFSET = 32 };

/* Bits 0 and 1 of each byte: the high bits of the first 16 columns of two blocks, 2 and 3: of the
 * last. */
ALWAYS __m256i high_bits(const struct cn_block_q6_0 *b, const struct cn_block_q6_0 *b2)
{
    const __m128i lo = _mm_set1_epi64x((long long)load64(b->hi)),
                  hi = _mm_set1_epi64x((long long)load64(b2->hi));
    return _mm256_srlv_epi64(_mm256_setr_m128i(lo, hi), _mm256_setr_epi64x(0, 4, 0, 4));
}

ALWAYS __m256i first_codes(__m256i v, __m256i high)
{
    return _mm256_or_si256(_mm256_and_si256(v, _mm256_set1_epi8(15)),
                           _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(3)), 4));
}

ALWAYS __m256i last_codes(__m256i v, __m256i high)
{
    return _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15)),
                           _mm256_slli_epi16(_mm256_and_si256(high, _mm256_set1_epi8(12)), 2));
}

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_q6_0 *b = first, *b2 = second;
    const __m256i v = load_pair(b->q, b2->q), high = high_bits(b, b2);
    return dot_two(first_codes(v, high), last_codes(v, high), load_pair(q, q2),
                   load_pair(q + 16, q2 + 16));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof(struct cn_block_q6_0)));
    return step_of_pairs(dot_pair, sizeof(struct cn_block_q6_0), scales,
                         offset_sums(scales, OFFSET, sum32), bytes, q, d, total);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q6_0), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

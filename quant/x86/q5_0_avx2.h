/* SPDX-License-Identifier: MIT
 *
 * Q5_0 in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 4 bytes: fifth bits | 16 bytes: low 4 bits |        w = d * (code - 16)
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: the low nibbles are 16 columns of
 * both, the high nibbles the other 16, and their products add up in 16 bits. A shuffle puts the
 * byte of fifth bits under each column. Scales are made eight at a time; the offset meets the sums
 * of the activations, lane = block.
 */
#ifndef CN_Q5_0_AVX2_H
#define CN_Q5_0_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q5_0.h"

#include <stddef.h>

enum { OFFSET = 16 };

enum { HI = offsetof(struct cn_block_q5_0, hi) };

/* Bytes HI + at, HI + at + 1 of each half are 16 bits: where one is set, the byte becomes 16. */
ALWAYS __m256i fifth_bits(__m256i v, const int at)
{
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    const __m256i spread = _mm256_broadcastsi128_si256(
        _mm_setr_epi32(0x01010101 * (HI + at), 0x01010101 * (HI + at), 0x01010101 * (HI + at + 1),
                       0x01010101 * (HI + at + 1)));
    v = _mm256_and_si256(_mm256_shuffle_epi8(v, spread), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(v, bit), _mm256_set1_epi8(16));
}

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_q5_0 *b = first, *b2 = second;
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q),
                  head = load_pair(b, b2);
    __m256i lo = _mm256_or_si256(_mm256_and_si256(v, nibble), fifth_bits(head, 0));
    __m256i hi =
        _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble), fifth_bits(head, 2));
    return dot_two(lo, hi, load_pair(q, q2), load_pair(q + 16, q2 + 16));
}

/* The 32 codes of a block. */
ALWAYS __m256i codes_of(const struct cn_block_q5_0 *b)
{
    const __m256i head = load_twice(b);
    return _mm256_or_si256(nibbles(b->q),
                           _mm256_blend_epi32(fifth_bits(head, 0), fifth_bits(head, 2), 0xf0));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof(struct cn_block_q5_0)));
    return step_of_pairs(dot_pair, sizeof(struct cn_block_q5_0), scales,
                         offset_sums(scales, OFFSET, sum32), bytes, q, d, total);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q5_0), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q5_1 in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | m f16 | 4 bytes: fifth bits | 16 bytes: low 4 bits |        w = code * d + m
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: the low nibbles are 16 columns of
 * both, the high nibbles the other 16, and their products add up in 16 bits. A shuffle puts the
 * byte of fifth bits under each column. Scales are made eight at a time; m meets the sums of the
 * activations, lane = block.
 */
#ifndef CN_Q5_1_AVX2_H
#define CN_Q5_1_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q5_1.h"

#include <stddef.h>

enum { HI = offsetof(struct cn_block_q5_1, hi) };

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
ALWAYS __m256i dot_pair(const struct cn_block_q5_1 *b, const struct cn_block_q5_1 *b2,
                        const int8_t *q, const int8_t *q2)
{
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q),
                  head = load_pair(b, b2);
    __m256i lo = _mm256_or_si256(_mm256_and_si256(v, nibble), fifth_bits(head, 0));
    __m256i hi =
        _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble), fifth_bits(head, 2));
    return dot_two(lo, hi, load_pair(q, q2), load_pair(q + 16, q2 + 16));
}

/* The 32 codes of a block. */
ALWAYS __m256i codes_of(const struct cn_block_q5_1 *b)
{
    const __m256i head = load_twice(b);
    return _mm256_or_si256(nibbles(b->q),
                           _mm256_blend_epi32(fifth_bits(head, 0), fifth_bits(head, 2), 0xf0));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const struct cn_block_q5_1 *b = (const void *)bytes;
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
    gemv_by_steps(step, sizeof(struct cn_block_q5_1), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

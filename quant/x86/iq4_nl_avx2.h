/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * level[code]
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: vpshufb turns their nibbles to
 * levels. Scales are made eight at a time.
 */
#ifndef CN_IQ4_NL_AVX2_H
#define CN_IQ4_NL_AVX2_H

#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_nl.h"

enum { OFFSET = 127 };

/* Levels times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_iq4_nl *b = first, *b2 = second;
    const __m256i levels = signed_codes(load_twice(cn_iq4_levels)), nibble = _mm256_set1_epi8(15);
    const __m256i v = load_pair(b->q, b2->q);
    const __m256i lo = _mm256_shuffle_epi8(levels, _mm256_and_si256(v, nibble));
    const __m256i hi =
        _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    const __m256i q_lo = load_pair(q, q2), q_hi = load_pair(q + 16, q2 + 16);
    return dot_two_signed(lo, hi, q_lo, q_hi, _mm256_abs_epi8(q_lo), _mm256_abs_epi8(q_hi));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof(struct cn_block_iq4_nl)));
    return step_of_pairs(dot_pair, sizeof(struct cn_block_iq4_nl), scales,
                         offset_sums(scales, SIGNED_ZERO, sum32), bytes, q, d, total);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_iq4_nl), n_rows, n_cols, w, row_bytes, x, y);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q4_K in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 128 bytes: 256 x 4-bit code |
 *
 * 32 bytes of codes are two groups (low and high nibbles). See gemv_by_halves.
 */
#ifndef CN_Q4_K_AVX2_H
#define CN_Q4_K_AVX2_H

#include "quant/x86/gemv_halves_avx2.h"
#include "quant/x86/small_halves_avx2.h"

#include "quant/ref/q4_k.h"

/* See gemv_by_halves. */
ALWAYS __m256i codes(const uint8_t *bytes, const int g, const int h)
{
    const uint8_t *q = ((const struct cn_block_q4_k *)(const void *)bytes)->q + g / 2 * 32 + 16 * h;
    const __m256i v = load_pair(q, q + 64);
    return _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_halves(codes, sizeof(struct cn_block_q4_k), n_rows, n_cols, w, row_bytes, x, y);
}

/* See struct small_layout. */
ALWAYS void unit(const uint8_t *b, const int u, struct small_codes *to)
{
    (void)u;
    small_halves(codes, b, to);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS in registers of 256 bits: what its tiers share.
 *
 *   | d f16 | u16 high scale bits | 4 bytes low scale bits | 128 bytes: 256 x 4-bit code |
 *
 * Groups g and g + 4 share a vector, one in each half; vpshufb turns their nibbles to levels, which
 * take the signs of the activations, so that vpmaddubsw sees unsigned activations. Four rows at
 * once share what that asks of the activations. The eight scales are spread by shifts of one
 * broadcast each.
 */
#ifndef CN_IQ4_XS_AVX2_H
#define CN_IQ4_XS_AVX2_H

#include "quant/x86/simd_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_xs.h"

enum { OFFSET = 127, ROWS = 4 };

/* The eight group scales, without d. */
ALWAYS __m256 scales_of(const struct cn_block_iq4_xs *b)
{
    const __m256i lo = _mm256_srlv_epi32(_mm256_set1_epi32((int)load32(b->scale_lo)),
                                         _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
    const __m256i hi = _mm256_sllv_epi32(_mm256_set1_epi32(b->scale_hi << 4),
                                         _mm256_setr_epi32(14, 12, 10, 8, 6, 4, 2, 0));
    const __m256i code =
        _mm256_or_si256(_mm256_and_si256(lo, _mm256_set1_epi32(15)),
                        _mm256_and_si256(_mm256_srli_epi32(hi, 14), _mm256_set1_epi32(48)));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(code, _mm256_set1_epi32(32)));
}

/* `rows` rows, a constant, at once: they share what is done to the activations. */
ALWAYS void gemv_rows(const int rows, int64_t n_cols, const uint8_t *w, size_t row_bytes,
                      size_t ahead, const struct cn_act *x, float *y)
{
    const __m256i levels = signed_codes(load_twice(cn_iq4_levels)), nibble = _mm256_set1_epi8(15);
    __m256 total[ROWS];
    UNROLL for (int r = 0; r < rows; r++) total[r] = _mm256_setzero_ps();
    for (int64_t c = 0; c < n_cols; c += 256, w += sizeof(struct cn_block_iq4_xs)) {
        const struct cn_block_iq4_xs *b[ROWS];
        __m256 scale[ROWS], acc[ROWS];
        UNROLL for (int r = 0; r < rows; r++)
        {
            b[r] = row_at(w, r, row_bytes);
            prefetch_ahead((const uint8_t *)b[r], ahead, sizeof *b[r]);
            const __m256 scales = scales_of(b[r]);
            scale[r] = _mm256_mul_ps(scales, _mm256_loadu_ps(x->d + c / 32));
            acc[r] = offset_sums(scales, SIGNED_ZERO, x->sum32 + c / 32);
        }
        UNROLL for (int g = 0; g < 4; g++)
        {
            const int8_t *q = x->q + c + 32 * g;
            const __m256i q_lo = load_pair(q, q + 128), q_hi = load_pair(q + 16, q + 144);
            const __m256i size_lo = _mm256_abs_epi8(q_lo), size_hi = _mm256_abs_epi8(q_hi);
            UNROLL for (int r = 0; r < rows; r++)
            {
                const __m256i v = load_pair(b[r]->q + 16 * g, b[r]->q + 16 * g + 64);
                const __m256i lo = _mm256_shuffle_epi8(levels, _mm256_and_si256(v, nibble));
                const __m256i hi =
                    _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
                const __m256i dot = dot_two_signed(lo, hi, q_lo, q_hi, size_lo, size_hi);
                acc[r] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), lane_broadcast(scale[r], g), acc[r]);
            }
        }
        UNROLL for (int r = 0; r < rows; r++) total[r] =
            _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b[r]->d)), acc[r], total[r]);
    }
    UNROLL for (int r = 0; r < rows; r++) y[r] = sum_ps(total[r]);
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    /* The same columns of rows to come, but not too near. */
    size_t ahead = ROWS * row_bytes;
    for (int i = 0; i < 3 && ahead < PREFETCH_BYTES; i++)
        ahead *= 2;
    int64_t r = 0;
    for (; r + ROWS <= n_rows; r += ROWS)
        gemv_rows(ROWS, n_cols, row_at(w, r, row_bytes), row_bytes, ahead, x, y + r);
    for (; r < n_rows; r++)
        gemv_rows(1, n_cols, row_at(w, r, row_bytes), row_bytes, ahead, x, y + r);
}

#endif

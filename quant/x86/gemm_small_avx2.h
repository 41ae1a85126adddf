/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once on vectors of 256 bits: what tiers share that multiply bytes differently.
 */
#ifndef CN_GEMM_SMALL_AVX2_H
#define CN_GEMM_SMALL_AVX2_H

#include "quant/x86/simd_avx2.h"

#include "quant/gemm.h"
#include "quant/vec.h"

/* Loaded once and kept: gcc would rather load again for each use. */
ALWAYS __m256i load_once(const void *p)
{
    __m256i v = load256(p);
    __asm__("" : "+x"(v));
    return v;
}

/* A unit of each row and token: sub / 4 vectors of bytes, or twice as many of words. */
struct small_unit {
    const uint8_t *w[CN_SMALL_ROWS], *q[2], *sums[2]; /* sums: of their offsets */
};

/* What is constant at each of the places that a product is inlined to. */
struct small_shape {
    int run; /* vectors whose products are added before they are widened */
    int sub;
    enum cn_small_form form;
    int code_bytes;
};

/* Integer sums acc[row][token] of a unit of nt tokens, lane = group. */
typedef void small_dot_fn(const struct small_shape k, const int nt, const struct small_unit *u,
                          __m256i acc[CN_SMALL_ROWS][2]);

/* Four dwords of eight groups: a[g] has those of group g in its low, of group g + 4 in its high
 * half; afterwards a[i] has dword i of each. */
ALWAYS void turn4(__m256i a[4])
{
    const __m256i ab_lo = _mm256_unpacklo_epi32(a[0], a[1]),
                  ab_hi = _mm256_unpackhi_epi32(a[0], a[1]),
                  cd_lo = _mm256_unpacklo_epi32(a[2], a[3]),
                  cd_hi = _mm256_unpackhi_epi32(a[2], a[3]);
    a[0] = _mm256_unpacklo_epi64(ab_lo, cd_lo);
    a[1] = _mm256_unpackhi_epi64(ab_lo, cd_lo);
    a[2] = _mm256_unpacklo_epi64(ab_hi, cd_hi);
    a[3] = _mm256_unpackhi_epi64(ab_hi, cd_hi);
}

/* See struct cn_gemm_small. words: bytes of even columns, then those of odd ones, are widened. */
ALWAYS void small_arrange(const int sub, const bool words, int offset, int64_t n_units,
                          const int8_t *from, uint8_t *to)
{
    const __m256i by = _mm256_set1_epi8((char)offset);
    for (int64_t u = 0; u < n_units; u++, from += 8 * sub)
        for (int h = 0; h < sub / 16; h++) {
            __m256i a[4];
            UNROLL for (int g = 0; g < 4; g++) a[g] = _mm256_sub_epi8(
                load_pair(from + g * sub + 16 * h, from + (g + 4) * sub + 16 * h), by);
            turn4(a);
            UNROLL for (int i = 0; i < 4; i++)
            {
                if (words) {
                    store256(to, _mm256_srai_epi16(_mm256_slli_epi16(a[i], 8), 8));
                    store256(to + 32, _mm256_srai_epi16(a[i], 8));
                    to += 64;
                } else {
                    store256(to, a[i]);
                    to += 32;
                }
            }
        }
}

/* Sums of eight lanes of each of four vectors. */
ALWAYS __m128 sums_of_four(const __m256 a, const __m256 b, const __m256 c, const __m256 d)
{
    const __m256 v = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}

/* All rows times nt (1 or 2) tokens from t on. */
ALWAYS void small_tile(small_dot_fn *dot, const struct small_shape k, const int nt,
                       const struct cn_small_block *b, int t)
{
    const size_t unit_bytes = (size_t)(8 * k.sub * k.code_bytes), row_bytes = b->bytes;
    const int64_t groups = b->n_units * 8;
    const float *d = b->d + t * groups, *sum = b->sum + t * groups;
    const float *scale = b->scale, *min = b->min;
    __m256 total[CN_SMALL_ROWS][2];
    struct small_unit at;
    UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
    {
        at.w[r] = b->codes + (size_t)r * row_bytes;
        UNROLL for (int v = 0; v < nt; v++) total[r][v] = _mm256_setzero_ps();
    }
    UNROLL for (int v = 0; v < nt; v++)
    {
        at.q[v] = b->acts + (size_t)(t + v) * row_bytes;
        at.sums[v] = b->offset_sums + (size_t)(t + v) * row_bytes / 2;
    }
    for (int64_t u = 0; u < b->n_units; u++, d += 8, sum += 8, scale += 8, min += 8) {
        __m256i acc[CN_SMALL_ROWS][2];
        dot(k, nt, &at, acc);
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            UNROLL for (int v = 0; v < nt; v++)
            {
                const __m256 by = _mm256_mul_ps(_mm256_loadu_ps(scale + r * groups),
                                                _mm256_loadu_ps(d + v * groups));
                total[r][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r][v]), by, total[r][v]);
                if (k.form == CN_SMALL_MIN)
                    total[r][v] = _mm256_fnmadd_ps(_mm256_loadu_ps(min + r * groups),
                                                   _mm256_loadu_ps(sum + v * groups), total[r][v]);
            }
            at.w[r] += unit_bytes;
        }
        UNROLL for (int v = 0; v < nt; v++)
        {
            at.q[v] += unit_bytes;
            if (k.form == CN_SMALL_SUMS)
                at.sums[v] += unit_bytes / (size_t)k.run;
        }
    }
    UNROLL for (int v = 0; v < nt; v++)
    {
        float *y = b->y + (t + v) * b->y_stride, four[CN_SMALL_ROWS];
        const __m128 sums = sums_of_four(total[0][v], total[1][v], total[2][v], total[3][v]);
        if (b->n_rows == CN_SMALL_ROWS) {
            _mm_storeu_ps(y, b->add ? _mm_add_ps(_mm_loadu_ps(y), sums) : sums);
        } else {
            _mm_storeu_ps(four, sums);
            for (int r = 0; r < b->n_rows; r++)
                y[r] = b->add ? y[r] + four[r] : four[r];
        }
    }
}

ALWAYS void small_multiply(small_dot_fn *dot, const struct small_shape k,
                           const struct cn_small_block *b)
{
    int t = 0;
    for (; t + 2 <= b->n_tokens; t += 2)
        small_tile(dot, k, 2, b, t);
    if (t < b->n_tokens)
        small_tile(dot, k, 1, b, t);
}

#endif

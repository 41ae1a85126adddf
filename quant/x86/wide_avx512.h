/* SPDX-License-Identifier: MIT
 *
 * What the GEMMs of avx512 and amx share of precision fast (struct cn_gemm_blocked): rounding
 * activations and weights to 8 bits with one scale per 256 columns, and the way out of a tile.
 */
#ifndef CN_WIDE_AVX512_H
#define CN_WIDE_AVX512_H

#include "quant/x86/simd_avx512.h"

#include "quant/gemm.h"

#include <math.h>

/* 16 x 16 dwords, rows to columns. */
ALWAYS void transpose16(__m512i r[16])
{
    __m512i t[16];
    UNROLL for (int i = 0; i < 16; i += 2)
    {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* Now r[4 a + b] has, in its 128 bits j, column 4 j + b of rows 4 a to 4 a + 3. */
    UNROLL for (int b = 0; b < 4; b++)
    {
        t[b] = _mm512_shuffle_i32x4(r[b], r[b + 4], 0x88);
        t[b + 4] = _mm512_shuffle_i32x4(r[b], r[b + 4], 0xdd);
        t[b + 8] = _mm512_shuffle_i32x4(r[b + 8], r[b + 12], 0x88);
        t[b + 12] = _mm512_shuffle_i32x4(r[b + 8], r[b + 12], 0xdd);
    }
    UNROLL for (int b = 0; b < 4; b++)
    {
        r[b] = _mm512_shuffle_i32x4(t[b], t[b + 8], 0x88);
        r[b + 8] = _mm512_shuffle_i32x4(t[b], t[b + 8], 0xdd);
        r[b + 4] = _mm512_shuffle_i32x4(t[b + 4], t[b + 12], 0x88);
        r[b + 12] = _mm512_shuffle_i32x4(t[b + 4], t[b + 12], 0xdd);
    }
}

/* cn_gemm.transpose */
ALWAYS void transpose_tile(const float *tile, int64_t tile_stride, float *y, int64_t y_stride,
                           bool add)
{
    __m512i r[16];
    UNROLL for (int i = 0; i < 16; i++) r[i] = load512(tile + i * tile_stride);
    transpose16(r);
    UNROLL for (int i = 0; i < 16; i++)
    {
        float *to = y + i * y_stride;
        const __m512 v = _mm512_castsi512_ps(r[i]);
        _mm512_storeu_ps(to, add ? _mm512_add_ps(_mm512_loadu_ps(to), v) : v);
    }
}

/* 256 columns of a token to q[256]; returns d. */
ALWAYS float quantize_wide(const float *x, int8_t *q)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    /* Magnitudes compare like integers, NaN and infinity above all numbers. */
    __m512i top[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    UNROLL for (int i = 0; i < 16; i++) top[i % 2] =
        _mm512_max_epi32(top[i % 2], _mm512_and_si512(load512(x + 16 * i), magnitude));
    const int bits = _mm512_reduce_max_epi32(_mm512_max_epi32(top[0], top[1]));
    float most;
    memcpy(&most, &bits, sizeof most);
    if (!(most >= CN_WIDE_SMALLEST && bits < 0x7f800000)) {
        memset(q, 0, CN_WIDE);
        return bits < 0x7f800000 ? 0 : NAN;
    }
    const __m512 by = _mm512_set1_ps(127 / most);
    UNROLL for (int i = 0; i < 16; i++) _mm_storeu_si128(
        (__m128i *)(void *)(q + 16 * i),
        _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + 16 * i), by))));
    return most / 127;
}

/* cn_gemm_blocked.pack of precision fast. */
ALWAYS void pack_wide(const struct cn_act_panel *p, int64_t group, int n, const float *x,
                      int64_t x_stride)
{
    enum { N = CN_PANEL_ROWS };
    const int64_t k = p->n_cols, groups = (p->n_tokens + N - 1) / N;
    _Alignas(64) int8_t q[N][CN_WIDE];
    _Alignas(64) float d[N] = { 0 };
    memset(q, 0, sizeof q);
    for (int64_t c = 0; c < k; c += CN_WIDE) {
        const int64_t block = c / CN_BLOCK_COLS * CN_BLOCK_COLS;
        const int64_t width = k - block < CN_BLOCK_COLS ? k - block : CN_BLOCK_COLS;
        int8_t *to = p->q + (block * groups + group * width + c - block) * N;
        for (int t = 0; t < n; t++)
            d[t] = quantize_wide(x + t * x_stride + c, q[t]);
        __m512i sum = _mm512_setzero_si512();
        for (int i = 0; i < CN_WIDE; i += 64, to += N * 64) {
            __m512i v[N];
            UNROLL for (int t = 0; t < N; t++) v[t] = load512(q[t] + i);
            transpose16(v);
            UNROLL for (int j = 0; j < N; j++)
            {
                sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), v[j]);
                store512(to + 64 * j, v[j]);
            }
        }
        const int64_t at = group * (k / CN_WIDE) * N + c / CN_WIDE * N;
        _mm512_storeu_ps(p->d + at, _mm512_load_ps(d));
        store512(p->sum + at, sum);
    }
}

/* Where the words of 64 columns' sub-blocks are: even and odd bytes share them. */
ALWAYS __m512i words_of_subs(const int sub, int chunk)
{
    /* clang-format off */
    const __m512i two = _mm512_set_epi16(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                  four = _mm512_set_epi16(3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2,
                                          1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    /* clang-format on */
    return _mm512_add_epi16(sub == 32 ? two : four, _mm512_set1_epi16((short)(64 / sub * chunk)));
}

/* cn_gemm_blocked.convert of precision fast, in words with FRACTION bits behind the point:
 *     code' = (code - offset) * a - b + zero,  a = 127 / top * scale,  b = 127 / top * min
 * Small codes are moved up to 64 .. 127 first, large ones made signed: then a times 2^13 is below
 * 2^15 (top is at least half of code_max scales), and code * 256 times that, divided by 2^15, has
 * six bits of fraction. Three roundings to those make 1.5 / 64 of a code at the most. */
ALWAYS void convert_wide(const int sub, const bool has_min, const int zero,
                         const struct cn_panel *kind, int64_t n_cols, const uint8_t *codes,
                         const float *scale, const float *min, uint8_t *to, float *scale256)
{
    enum { FRACTION = 6, N = CN_PANEL_ROWS };
    const bool large = kind->code_max > 127;
    int up = 0;
    while (!large && kind->code_max << (up + 1) <= 127)
        up++;
    const __m128i shift = _mm_cvtsi32_si128(up);
    const __m512i flip = _mm512_set1_epi8(large ? (char)0x80 : 0);
    const __mmask16 subs = sub == 32 ? 0xff : 0xffff;
    const float lowest = (float)-kind->offset, highest = (float)(kind->code_max - kind->offset);
    const __m512 offset = _mm512_set1_ps((float)(kind->offset - (large ? 128 : 0)));
    const __m512 slope = _mm512_set1_ps((float)(1 << 13) / (float)(1 << up)),
                 one = _mm512_set1_ps(1 << FRACTION),
                 half = _mm512_set1_ps((float)(zero << FRACTION) + (1 << FRACTION) / 2);
    for (int64_t c = 0; c < n_cols; c += CN_WIDE, codes += CN_WIDE, scale += CN_WIDE / sub) {
        const __m512 s = _mm512_maskz_loadu_ps(subs, scale),
                     m = has_min ? _mm512_maskz_loadu_ps(subs, min + c / sub) : _mm512_setzero_ps();
        const __m512 a = _mm512_fmsub_ps(s, _mm512_set1_ps(lowest), m),
                     z = _mm512_fmsub_ps(s, _mm512_set1_ps(highest), m);
        /* NaN and infinity are above all numbers here too. */
        const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
        const int bits = _mm512_reduce_max_epi32(
            _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(a), magnitude),
                             _mm512_and_si512(_mm512_castps_si512(z), magnitude)));
        float top;
        memcpy(&top, &bits, sizeof top);
        const bool finite = bits < 0x7f800000, good = finite && top >= CN_WIDE_SMALLEST;
        scale256[c / CN_WIDE * N] = !finite ? NAN : good ? top / 127 : 0;
        const __m512 by = _mm512_set1_ps(good ? 127 / top : 0);
        const __m512 factor = _mm512_mul_ps(s, by);
        __m512 add = _mm512_mul_ps(factor, offset);
        if (has_min)
            add = _mm512_fmadd_ps(m, by, add);
        add = _mm512_fnmadd_ps(add, one, half);
        const __m512i factors = _mm512_castsi256_si512(
            _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(factor, slope))));
        const __m512i adds = _mm512_castsi256_si512(_mm512_cvtepi32_epi16(_mm512_cvtps_epi32(add)));
        UNROLL for (int i = 0; i < 4; i++, to += N * CN_CHUNK)
        {
            const __m512i which = words_of_subs(sub, i);
            const __m512i f = _mm512_permutexvar_epi16(which, factors),
                          b = _mm512_permutexvar_epi16(which, adds);
            const __m512i v =
                _mm512_xor_si512(_mm512_sll_epi16(load512(codes + 64 * i), shift), flip);
            const __m512i high = _mm512_and_si512(v, _mm512_set1_epi16((short)0xff00));
            __m512i even = _mm512_mulhrs_epi16(_mm512_slli_epi16(v, 8), f),
                    odd = _mm512_mulhrs_epi16(high, f);
            even = _mm512_srli_epi16(_mm512_add_epi16(even, b), FRACTION);
            odd = _mm512_slli_epi16(_mm512_add_epi16(odd, b), 8 - FRACTION);
            store512(to, select_bits(_mm512_set1_epi16(0xff), even, odd));
        }
    }
}

/* The same for any panel. */
ALWAYS void convert_any(const int zero, const struct cn_panel *kind, int64_t n_cols,
                        const uint8_t *codes, const float *scale, const float *min, uint8_t *to,
                        float *scale256)
{
    if (kind->sub == 32 && kind->has_min)
        convert_wide(32, true, zero, kind, n_cols, codes, scale, min, to, scale256);
    else if (kind->sub == 32)
        convert_wide(32, false, zero, kind, n_cols, codes, scale, min, to, scale256);
    else if (kind->has_min)
        convert_wide(16, true, zero, kind, n_cols, codes, scale, min, to, scale256);
    else
        convert_wide(16, false, zero, kind, n_cols, codes, scale, min, to, scale256);
}

#endif

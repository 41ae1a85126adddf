/* SPDX-License-Identifier: MIT
 *
 * Vector operations for AVX-512, where twice the width shows; the dot products of attention are too
 * short for it (docs/SPEED.md). Sums run in several lanes, so they differ from the reference in the
 * order of float additions only; exp has a relative error below 2^-22.
 */
#include "quant/x86/simd_avx512.h"

#include "quant/vec.h"

#include <math.h>

/* The lanes that the last n elements take. */
ALWAYS __mmask16 last_lanes(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static void quantize_q8(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
                        int16_t *sum16)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    for (int64_t g = 0; g < n / 32; g++, x += 32, q += 32) {
        const __m512 lo = _mm512_loadu_ps(x), hi = _mm512_loadu_ps(x + 16);
        /* Magnitudes compare like integers, NaN and infinity above all numbers. */
        const __m512i a = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(lo), magnitude),
                                           _mm512_and_si512(_mm512_castps_si512(hi), magnitude));
        const __m256i a8 =
            _mm256_max_epi32(_mm512_castsi512_si256(a), _mm512_extracti64x4_epi64(a, 1));
        __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a8), _mm256_extracti128_si256(a8, 1));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
        const uint32_t top_bits = (uint32_t)_mm_cvtsi128_si32(m);
        const float top = _mm_cvtss_f32(_mm_castsi128_ps(m));
        const bool finite = top_bits < 0x7f800000u;
        const float scale = finite ? top / 127 : NAN;
        const float inverse = finite && scale > 0x1p-126f ? 127 / top : 0;
        d[g] = scale;
        if (!(inverse > 0)) {
            store256(q, _mm256_setzero_si256());
            sum16[2 * g] = sum16[2 * g + 1] = 0;
            sum32[g] = scale * 0;
            continue;
        }
        const __m512 by = _mm512_set1_ps(inverse);
        const __m256i bytes =
            _mm256_setr_m128i(_mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(lo, by))),
                              _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(hi, by))));
        store256(q, bytes);
        __m256i s = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), bytes);
        s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
        s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
        const int s0 = _mm_cvtsi128_si32(_mm256_castsi256_si128(s));
        const int s1 = _mm_cvtsi128_si32(_mm256_extracti128_si256(s, 1));
        sum16[2 * g] = (int16_t)s0;
        sum16[2 * g + 1] = (int16_t)s1;
        sum32[g] = scale * (float)(s0 + s1);
    }
}

/* e^x by 2^k * p(r), |r| <= ln2 / 2, p of degree 6 (Taylor, whose last term is below 2^-24 there).
 * Below -87.3 the result is 0, above 88.7 infinity; NaN stays NaN. */
ALWAYS __m512 exp16(__m512 x)
{
    const __m512 lowest = _mm512_set1_ps(-87.33654f), highest = _mm512_set1_ps(88.72283f);
    const __m512 k = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(k, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(k, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.0f / 720);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    __m512 y = _mm512_scalef_ps(p, k);
    y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, lowest, _CMP_LT_OQ), _mm512_setzero_ps());
    y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, highest, _CMP_GT_OQ), _mm512_set1_ps(INFINITY));
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

static float exp_sum(int64_t n, float max, float *x)
{
    const __m512 m = _mm512_set1_ps(max);
    __m512 acc = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512 e = exp16(_mm512_sub_ps(_mm512_loadu_ps(x + i), m));
        _mm512_storeu_ps(x + i, e);
        acc = _mm512_add_ps(acc, e);
    }
    if (i < n) {
        const __mmask16 k = last_lanes(n - i);
        const __m512 e = exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), m));
        _mm512_mask_storeu_ps(x + i, k, e);
        acc = _mm512_mask_add_ps(acc, k, acc, e);
    }
    return _mm512_reduce_add_ps(acc);
}

const struct cn_vec cn_vec_avx512 = {
    .quantize_q8 = quantize_q8,
    .exp_sum = exp_sum,
};

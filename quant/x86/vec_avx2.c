/* SPDX-License-Identifier: MIT
 *
 * Vector operations for AVX2. Sums run in several lanes, so they differ from the reference in the
 * order of float additions only; exp has a relative error below 2^-22.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q8_0.h"
#include "quant/vec.h"

#include <math.h>
#include <stddef.h>

static void vec_quantize_q8_avx2(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
                                 int16_t *sum16)
{
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    for (int64_t g = 0; g < n / 32; g++, x += 32, q += 32) {
        __m256 v[4];
        UNROLL for (int i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(x + 8 * i);
        /* Magnitudes compare like integers, NaN and infinity above all numbers. */
        __m256i a = _mm256_castps_si256(_mm256_and_ps(v[0], magnitude));
        UNROLL for (int i = 1; i < 4; i++) a =
            _mm256_max_epi32(a, _mm256_castps_si256(_mm256_and_ps(v[i], magnitude)));
        __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
        m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
        uint32_t top_bits = (uint32_t)_mm_cvtsi128_si32(m);
        float top = _mm_cvtss_f32(_mm_castsi128_ps(m));
        bool finite = top_bits < 0x7f800000u;
        float scale = finite ? top / 127 : NAN;
        float inverse = finite && scale > 0x1p-126f ? 127 / top : 0;
        d[g] = scale;
        if (!(inverse > 0)) {
            _mm256_storeu_si256((__m256i *)(void *)q, _mm256_setzero_si256());
            sum16[2 * g] = sum16[2 * g + 1] = 0;
            sum32[g] = scale * 0;
            continue;
        }
        __m256i r[4];
        UNROLL for (int i = 0; i < 4; i++) r[i] =
            _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
        __m256i lo = _mm256_packs_epi32(r[0], r[1]), hi = _mm256_packs_epi32(r[2], r[3]);
        __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(lo, hi),
                                                    _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(void *)q, bytes);
        /* Sums of 16: bytes -> sums of four in 32 bits, then across each half. */
        __m256i s = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes),
                                      _mm256_set1_epi16(1));
        s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
        s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
        int s0 = _mm_cvtsi128_si32(_mm256_castsi256_si128(s));
        int s1 = _mm_cvtsi128_si32(_mm256_extracti128_si256(s, 1));
        sum16[2 * g] = (int16_t)s0;
        sum16[2 * g + 1] = (int16_t)s1;
        sum32[g] = scale * (float)(s0 + s1);
    }
}

static float vec_dot_avx2(int64_t n, const float *a, const float *b)
{
    __m256 acc[4];
    UNROLL for (int j = 0; j < 4; j++) acc[j] = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        UNROLL for (int j = 0; j < 4; j++) acc[j] =
            _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * j), _mm256_loadu_ps(b + i + 8 * j), acc[j]);
    }
    for (; i + 8 <= n; i += 8)
        acc[0] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), acc[0]);
    float sum = sum_ps(_mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float vec_dot_f16_avx2(int64_t n, const float *a, const uint16_t *b)
{
    __m256 acc[4];
    UNROLL for (int j = 0; j < 4; j++) acc[j] = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        UNROLL for (int j = 0; j < 4; j++) acc[j] = _mm256_fmadd_ps(
            _mm256_loadu_ps(a + i + 8 * j), _mm256_cvtph_ps(load128(b + i + 8 * j)), acc[j]);
    }
    for (; i + 8 <= n; i += 8)
        acc[0] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_cvtph_ps(load128(b + i)), acc[0]);
    float sum = sum_ps(_mm256_add_ps(_mm256_add_ps(acc[0], acc[1]), _mm256_add_ps(acc[2], acc[3])));
    for (; i < n; i++)
        sum += a[i] * half_at(b + i);
    return sum;
}

static void vec_axpy_avx2(int64_t n, float a, const float *x, float *y)
{
    const __m256 av = _mm256_set1_ps(a);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i,
                         _mm256_fmadd_ps(av, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    for (; i < n; i++)
        y[i] += a * x[i];
}

static void vec_axpy_f16_avx2(int64_t n, float a, const uint16_t *x, float *y)
{
    const __m256 av = _mm256_set1_ps(a);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
            y + i, _mm256_fmadd_ps(av, _mm256_cvtph_ps(load128(x + i)), _mm256_loadu_ps(y + i)));
    for (; i < n; i++)
        y[i] += a * half_at(x + i);
}

/* Four sums across four vectors. */
ALWAYS __m128 sums_of_four(const __m256 *v)
{
    const __m256 a = _mm256_add_ps(_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
    const __m256 b = _mm256_add_ps(_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
    const __m256 h = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

/* nv vectors with `nr` rows, nv * nr = 4, 8 or 12: the converted rows serve all vectors. out: nv *
 * nr sums, row by row. ask: rows to come are asked for, see struct cn_vec. */
ALWAYS void dots_block(const int nv, const int nr, int64_t n, const float *a, const uint16_t *rows,
                       int64_t stride, const bool ask, float *out)
{
    const int64_t whole = n / 8 * 8;
    __m256 acc[12];
    UNROLL for (int j = 0; j < nv * nr; j++) acc[j] = _mm256_setzero_ps();
    for (int64_t i = 0; i < whole; i += 8) {
        __m256 row[8];
        if (ask && i % 32 == 0)
            UNROLL for (int r = 0; r < nr; r++)
                prefetch((const uint8_t *)(rows + r * stride + i), 64);
        UNROLL for (int r = 0; r < nr; r++) row[r] =
            _mm256_cvtph_ps(load128(rows + r * stride + i));
        UNROLL for (int v = 0; v < nv; v++)
        {
            const __m256 av = _mm256_loadu_ps(a + v * n + i);
            UNROLL for (int r = 0; r < nr; r++) acc[r * nv + v] =
                _mm256_fmadd_ps(av, row[r], acc[r * nv + v]);
        }
    }
    UNROLL for (int j = 0; j < nv * nr; j += 4) _mm_storeu_ps(out + j, sums_of_four(acc + j));
    for (int64_t i = whole; i < n; i++)
        for (int r = 0; r < nr; r++)
            for (int v = 0; v < nv; v++)
                out[r * nv + v] += a[v * n + i] * half_at(rows + r * stride + i);
}

/* Rows of a run of vec_dots_four_avx2. */
enum { DOTS_ROWS = 64 };

/* Four vectors and up to DOTS_ROWS rows. Twelve sums at a time hide what one addition waits for
 * another, four would not. */
ALWAYS void dots_four(int64_t n_rows, int64_t n, const float *a, const uint16_t *rows,
                      int64_t stride, const bool ask, float *out, int64_t out_stride)
{
    float sums[4 * DOTS_ROWS];
    int64_t r = 0;
    for (; n_rows - r > 4 || n_rows - r == 3; r += 3)
        dots_block(4, 3, n, a, rows + r * stride, stride, ask, sums + 4 * r);
    for (; n_rows - r >= 2; r += 2)
        dots_block(4, 2, n, a, rows + r * stride, stride, ask, sums + 4 * r);
    if (r < n_rows)
        dots_block(4, 1, n, a, rows + r * stride, stride, ask, sums + 4 * r);
    for (r = 0; r + 4 <= n_rows; r += 4) {
        __m128 x[4];
        UNROLL for (int i = 0; i < 4; i++) x[i] = _mm_loadu_ps(sums + 4 * (r + i));
        _MM_TRANSPOSE4_PS(x[0], x[1], x[2], x[3]);
        UNROLL for (int i = 0; i < 4; i++) _mm_storeu_ps(out + i * out_stride + r, x[i]);
    }
    for (; r < n_rows; r++)
        for (int j = 0; j < 4; j++)
            out[j * out_stride + r] = sums[4 * r + j];
}

static void vec_dots_f16_avx2(int64_t n_vecs, int64_t n_rows, int64_t n, const float *a,
                              const uint16_t *rows, int64_t stride, float *out, int64_t out_stride)
{
    int64_t v = 0;
    for (; v + 4 <= n_vecs; v += 4)
        for (int64_t r = 0; r < n_rows; r += DOTS_ROWS)
            dots_four(n_rows - r < DOTS_ROWS ? n_rows - r : DOTS_ROWS, n, a + v * n,
                      rows + r * stride, stride, v == 0, out + v * out_stride + r, out_stride);
    for (; v < n_vecs; v++) {
        int64_t r = 0;
        for (; r + 8 <= n_rows; r += 8)
            dots_block(1, 8, n, a + v * n, rows + r * stride, stride, v == 0,
                       out + v * out_stride + r);
        for (; r + 4 <= n_rows; r += 4)
            dots_block(1, 4, n, a + v * n, rows + r * stride, stride, v == 0,
                       out + v * out_stride + r);
        for (; r < n_rows; r++)
            out[v * out_stride + r] = vec_dot_f16_avx2(n, a + v * n, rows + r * stride);
    }
}

/* 8 * nc columns of nv vectors, nv * nc <= 12, stay in registers over all rows. */
ALWAYS void sums_block(const int nv, const int nc, int64_t n_rows, int64_t n, const float *w,
                       int64_t w_stride, const uint16_t *rows, int64_t stride, bool ask, float *y)
{
    __m256 acc[12];
    UNROLL for (int j = 0; j < nv * nc; j++) acc[j] = _mm256_loadu_ps(y + j / nc * n + j % nc * 8);
    for (int64_t r = 0; r < n_rows; r++) {
        __m256 row[8];
        if (ask)
            prefetch((const uint8_t *)(rows + r * stride), 16 * nc);
        UNROLL for (int c = 0; c < nc; c++) row[c] =
            _mm256_cvtph_ps(load128(rows + r * stride + 8 * c));
        UNROLL for (int v = 0; v < nv; v++)
        {
            const __m256 wv = _mm256_broadcast_ss(w + v * w_stride + r);
            UNROLL for (int c = 0; c < nc; c++) acc[v * nc + c] =
                _mm256_fmadd_ps(wv, row[c], acc[v * nc + c]);
        }
    }
    UNROLL for (int j = 0; j < nv * nc; j++) _mm256_storeu_ps(y + j / nc * n + j % nc * 8, acc[j]);
}

static void vec_sums_f16_avx2(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                              int64_t w_stride, const uint16_t *rows, int64_t stride, float *y)
{
    int64_t v = 0, i;
    for (; v + 4 <= n_vecs; v += 4, w += 4 * w_stride, y += 4 * n) {
        for (i = 0; n - i >= 24 && n - i != 32; i += 24)
            sums_block(4, 3, n_rows, n, w, w_stride, rows + i, stride, v == 0, y + i);
        for (; i + 16 <= n; i += 16)
            sums_block(4, 2, n_rows, n, w, w_stride, rows + i, stride, v == 0, y + i);
        for (int64_t r = 0; i < n && r < n_rows; r++)
            for (int j = 0; j < 4; j++)
                vec_axpy_f16_avx2(n - i, w[j * w_stride + r], rows + r * stride + i, y + j * n + i);
    }
    for (; v < n_vecs; v++, w += w_stride, y += n) {
        for (i = 0; i + 64 <= n; i += 64)
            sums_block(1, 8, n_rows, n, w, w_stride, rows + i, stride, v == 0, y + i);
        for (; i + 16 <= n; i += 16)
            sums_block(1, 2, n_rows, n, w, w_stride, rows + i, stride, v == 0, y + i);
        for (int64_t r = 0; i < n && r < n_rows; r++)
            vec_axpy_f16_avx2(n - i, w[r], rows + r * stride + i, y + i);
    }
}

/* Rows whose scales are taken into the weights at a time. */
enum { SCALED_ROWS = 64 };

ALWAYS __m128i eight_at(const uint8_t *q)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)q);
}

/* 16 columns of nv vectors, nv <= 4, stay in registers over all rows. */
ALWAYS void sums_q8_0_half(const int nv, int64_t n_rows, int64_t n, const float *w,
                           const uint8_t *q, size_t row_bytes, float *y)
{
    __m256 acc[8];
    UNROLL for (int j = 0; j < 2 * nv; j++) acc[j] = _mm256_loadu_ps(y + j / 2 * n + j % 2 * 8);
    for (int64_t r = 0; r < n_rows; r++, q += row_bytes) {
        const __m256 lo = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight_at(q)));
        const __m256 hi = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight_at(q + 8)));
        UNROLL for (int v = 0; v < nv; v++)
        {
            const __m256 wv = _mm256_broadcast_ss(w + v * SCALED_ROWS + r);
            acc[2 * v] = _mm256_fmadd_ps(wv, lo, acc[2 * v]);
            acc[2 * v + 1] = _mm256_fmadd_ps(wv, hi, acc[2 * v + 1]);
        }
    }
    UNROLL for (int j = 0; j < 2 * nv; j++) _mm256_storeu_ps(y + j / 2 * n + j % 2 * 8, acc[j]);
}

ALWAYS void sums_q8_0_of(const int nv, int64_t n_rows, int64_t n, const float *w, int64_t w_stride,
                         const uint8_t *rows, size_t row_bytes, bool ask, float *y)
{
    float scaled[4 * SCALED_ROWS];
    for (int64_t i = 0; i < n; i += 32, rows += sizeof(struct cn_block_q8_0)) {
        for (int64_t r = 0; r < n_rows; r++) {
            const float d = half_at(rows + (size_t)r * row_bytes);
            if (ask)
                prefetch(rows + (size_t)r * row_bytes, sizeof(struct cn_block_q8_0));
            UNROLL for (int v = 0; v < nv; v++) scaled[v * SCALED_ROWS + r] =
                d * w[v * w_stride + r];
        }
        const uint8_t *q = rows + offsetof(struct cn_block_q8_0, q);
        sums_q8_0_half(nv, n_rows, n, scaled, q, row_bytes, y + i);
        sums_q8_0_half(nv, n_rows, n, scaled, q + 16, row_bytes, y + i + 16);
    }
}

static void vec_sums_q8_0_avx2(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                               int64_t w_stride, const uint8_t *rows, size_t row_bytes, float *y)
{
    for (int64_t r = 0; r < n_rows; r += SCALED_ROWS) {
        const int64_t count = n_rows - r < SCALED_ROWS ? n_rows - r : SCALED_ROWS;
        const uint8_t *from = rows + (size_t)r * row_bytes;
        int64_t v = 0;
        for (; v + 4 <= n_vecs; v += 4)
            sums_q8_0_of(4, count, n, w + v * w_stride + r, w_stride, from, row_bytes, v == 0,
                         y + v * n);
        for (; v < n_vecs; v++)
            sums_q8_0_of(1, count, n, w + v * w_stride + r, w_stride, from, row_bytes, v == 0,
                         y + v * n);
    }
}

static void vec_from_f16_avx2(int64_t n_rows, int64_t n, const uint16_t *x, int64_t x_stride,
                              float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++, x += x_stride, y += y_stride) {
        int64_t i = 0;
        for (; i + 32 <= n; i += 32) {
            UNROLL for (int j = 0; j < 32; j += 8)
                _mm256_storeu_ps(y + i + j, _mm256_cvtph_ps(load128(x + i + j)));
        }
        for (; i + 8 <= n; i += 8)
            _mm256_storeu_ps(y + i, _mm256_cvtph_ps(load128(x + i)));
        for (; i < n; i++)
            y[i] = half_at(x + i);
    }
}

static void vec_from_q8_0_avx2(int64_t n_rows, int64_t n, const uint8_t *x, size_t row_bytes,
                               float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++, x += row_bytes, y += y_stride) {
        const struct cn_block_q8_0 *b = (const void *)x;
        for (int64_t i = 0; i < n; i += 32, b++) {
            const __m256 d = _mm256_set1_ps(half_at(&b->d));
            const uint8_t *q = (const uint8_t *)b->q;
            UNROLL for (int j = 0; j < 32; j += 8) _mm256_storeu_ps(
                y + i + j,
                _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight_at(q + j)))));
        }
    }
}

static void vec_to_f16_avx2(int64_t n, const float *x, uint16_t *y)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++)
        y[i] = cn_f32_to_f16(x[i]);
}

static void vec_rms_norm_avx2(int64_t n, const float *x, const float *w, float eps, float *y)
{
    __m256d acc[2] = { _mm256_setzero_pd(), _mm256_setzero_pd() };
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256d lo = _mm256_cvtps_pd(_mm_loadu_ps(x + i));
        __m256d hi = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4));
        acc[0] = _mm256_fmadd_pd(lo, lo, acc[0]);
        acc[1] = _mm256_fmadd_pd(hi, hi, acc[1]);
    }
    __m256d s = _mm256_add_pd(acc[0], acc[1]);
    __m128d h = _mm_add_pd(_mm256_castpd256_pd128(s), _mm256_extractf128_pd(s, 1));
    double sum = _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    float scale = 1 / sqrtf((float)(sum / (double)n) + eps);
    const __m256 sv = _mm256_set1_ps(scale);
    for (i = 0; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), sv),
                                              _mm256_loadu_ps(w + i)));
    for (; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

#define LOG2_E      1.44269504088896341f
#define EXP_LOWEST  -87.33654f
#define EXP_HIGHEST 88.72283f

/* e^x is 2^k times this, k = x / ln 2 to the nearest integer: a polynomial of degree 6 (Taylor,
 * whose last term is below 2^-24 for what is left of x, at most ln 2 / 2). */
ALWAYS __m256 exp_rest(__m256 x, __m256 k)
{
    __m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0.693359375f), x);
    r = _mm256_fnmadd_ps(k, _mm256_set1_ps(-2.12194440e-4f), r);
    __m256 p = _mm256_set1_ps(1.0f / 720);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    return _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
}

/* Below -87.3 the result is 0, above 88.7 infinity; NaN stays NaN. */
ALWAYS __m256 exp8(__m256 x)
{
    const __m256 lowest = _mm256_set1_ps(EXP_LOWEST), highest = _mm256_set1_ps(EXP_HIGHEST);
    const __m256 k = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(LOG2_E)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    /* 2^k in two factors, so that k = 128 does not overflow the exponent field. */
    __m256i ki = _mm256_cvtps_epi32(k), half = _mm256_srai_epi32(ki, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    __m256 f0 = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 f1 = _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(ki, half), bias), 23));
    __m256 y = _mm256_mul_ps(_mm256_mul_ps(exp_rest(x, k), f0), f1);
    y = _mm256_andnot_ps(_mm256_cmp_ps(x, lowest, _CMP_LT_OQ), y);
    y = _mm256_blendv_ps(y, _mm256_set1_ps(INFINITY), _mm256_cmp_ps(x, highest, _CMP_GT_OQ));
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

/* Tails go through the same code in a padded buffer, so that a value does not depend on where it
 * stands. */
ALWAYS __m256 load_tail(const float *x, int64_t n)
{
    float t[8] = { 0 };
    memcpy(t, x, (size_t)n * sizeof *x);
    return _mm256_loadu_ps(t);
}

ALWAYS void store_tail(float *y, int64_t n, __m256 v)
{
    float t[8];
    _mm256_storeu_ps(t, v);
    memcpy(y, t, (size_t)n * sizeof *y);
}

ALWAYS __m256 silu8(__m256 g, __m256 u)
{
    const __m256 one = _mm256_set1_ps(1);
    __m256 e = exp8(_mm256_sub_ps(_mm256_setzero_ps(), g));
    return _mm256_mul_ps(_mm256_div_ps(g, _mm256_add_ps(one, e)), u);
}

static void vec_silu_mul_avx2(int64_t n, const float *gate, const float *up, float *y)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, silu8(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
    if (i < n)
        store_tail(y + i, n - i, silu8(load_tail(gate + i, n - i), load_tail(up + i, n - i)));
}

/* 0.5 x (1 + tanh(z)) = x / (1 + e^(-2z)) */
ALWAYS __m256 gelu8(__m256 x, __m256 u)
{
    __m256 x2 = _mm256_mul_ps(x, x);
    __m256 z2 = _mm256_mul_ps(_mm256_mul_ps(x, _mm256_set1_ps(-2 * 0.79788456080286535588f)),
                              _mm256_fmadd_ps(x2, _mm256_set1_ps(0.044715f), _mm256_set1_ps(1)));
    return _mm256_mul_ps(_mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1), exp8(z2))), u);
}

static void vec_gelu_mul_avx2(int64_t n, const float *gate, const float *up, float *y)
{
    const __m256 one = _mm256_set1_ps(1);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i,
                         gelu8(_mm256_loadu_ps(gate + i), up ? _mm256_loadu_ps(up + i) : one));
    if (i < n)
        store_tail(y + i, n - i,
                   gelu8(load_tail(gate + i, n - i), up ? load_tail(up + i, n - i) : one));
}

static float vec_exp_sum_avx2(int64_t n, float max, float *x)
{
    const __m256 m = _mm256_set1_ps(max);
    __m256 acc = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 e = exp8(_mm256_sub_ps(_mm256_loadu_ps(x + i), m));
        _mm256_storeu_ps(x + i, e);
        acc = _mm256_add_ps(acc, e);
    }
    float sum = sum_ps(acc);
    if (i < n) {
        float t[8];
        _mm256_storeu_ps(t, exp8(_mm256_sub_ps(load_tail(x + i, n - i), m)));
        for (int64_t j = 0; j < n - i; j++)
            sum += x[i + j] = t[j];
    }
    return sum;
}

static float vec_max_avx2(int64_t n, const float *x)
{
    float top = x[0];
    int64_t i = 0;
    if (n >= 8) {
        __m256 m = _mm256_loadu_ps(x);
        for (i = 8; i + 8 <= n; i += 8)
            m = _mm256_max_ps(m, _mm256_loadu_ps(x + i));
        float t[8];
        _mm256_storeu_ps(t, m);
        for (int j = 0; j < 8; j++)
            top = fmaxf(top, t[j]);
    }
    for (; i < n; i++)
        top = fmaxf(top, x[i]);
    return top;
}

/* e^x for x <= 0 or NaN; below -87.3 it is 0. */
ALWAYS __m256 exp_below(__m256 x)
{
    const __m256 k = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(LOG2_E)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23);
    const __m256 y =
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(exp_rest(x, k)), exponent));
    return _mm256_and_ps(_mm256_cmp_ps(x, _mm256_set1_ps(EXP_LOWEST), _CMP_NLT_UQ), y);
}

static void vec_softmax_lanes_avx2(int64_t n, int n_lanes, float *p, float *max, float *sum,
                                   float *factor)
{
    enum { N = 16 };
    for (int l = 0; l < n_lanes; l += 8, p += 8) {
        const __m256 before = _mm256_loadu_ps(max + l);
        __m256 top = before, more = _mm256_setzero_ps();
        for (int64_t i = 0; i < n; i++)
            top = _mm256_max_ps(top, _mm256_loadu_ps(p + i * N));
        /* Where both are -infinity their difference is NaN. */
        const __m256 same = _mm256_cmp_ps(before, top, _CMP_EQ_OQ);
        const __m256 by = exp_below(_mm256_andnot_ps(same, _mm256_sub_ps(before, top)));
        /* -infinity less 0 stays that, and its exponential is 0. */
        const __m256 none = _mm256_cmp_ps(top, _mm256_set1_ps(-INFINITY), _CMP_EQ_OQ);
        const __m256 base = _mm256_andnot_ps(none, top);
        for (int64_t i = 0; i < n; i++) {
            const __m256 e = exp_below(_mm256_sub_ps(_mm256_loadu_ps(p + i * N), base));
            _mm256_storeu_ps(p + i * N, e);
            more = _mm256_add_ps(more, e);
        }
        _mm256_storeu_ps(factor + l, by);
        _mm256_storeu_ps(max + l, top);
        _mm256_storeu_ps(sum + l, _mm256_fmadd_ps(_mm256_loadu_ps(sum + l), by, more));
    }
}

/* nr rows times 8 * nv lanes. One of row and step is the constant 1, so that addresses take no
 * arithmetic. */
ALWAYS void lanes_block(const int nr, const int nv, int64_t n, const float *a, const int64_t row,
                        const int64_t step, const float *b, const float *factor, float *y)
{
    enum { N = 16 };
    __m256 acc[12];
    UNROLL for (int v = 0; v < nv; v++)
    {
        UNROLL for (int r = 0; r < nr; r++) acc[r * nv + v] =
            factor
                ? _mm256_mul_ps(_mm256_loadu_ps(factor + 8 * v), _mm256_loadu_ps(y + r * N + 8 * v))
                : _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < n; i++) {
        __m256 bv[2];
        UNROLL for (int v = 0; v < nv; v++) bv[v] = _mm256_loadu_ps(b + i * N + 8 * v);
        UNROLL for (int r = 0; r < nr; r++)
        {
            const __m256 av = _mm256_broadcast_ss(a + r * row + i * step);
            UNROLL for (int v = 0; v < nv; v++) acc[r * nv + v] =
                _mm256_fmadd_ps(av, bv[v], acc[r * nv + v]);
        }
    }
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) _mm256_storeu_ps(y + r * N + 8 * v, acc[r * nv + v]);
    }
}

/* Twelve sums at a time hide what an FMA takes. */
ALWAYS void lanes_of(const int nv, int64_t n_rows, int64_t n, const float *a, const int64_t row,
                     const int64_t step, const float *b, const float *factor, float *y)
{
    enum { N = 16 };
    int64_t r = 0;
    for (; r + 12 / nv <= n_rows; r += 12 / nv)
        lanes_block(12 / nv, nv, n, a + r * row, row, step, b, factor, y + r * N);
    for (; r + 4 <= n_rows; r += 4)
        lanes_block(4, nv, n, a + r * row, row, step, b, factor, y + r * N);
    for (; r < n_rows; r++)
        lanes_block(1, nv, n, a + r * row, row, step, b, factor, y + r * N);
}

static void vec_lane_products_avx2(int64_t n_rows, int64_t n, int n_lanes, const float *a,
                                   int64_t row, int64_t step, const float *b, const float *factor,
                                   float *y)
{
    if (n_lanes > 8 && step == 1)
        lanes_of(2, n_rows, n, a, row, 1, b, factor, y);
    else if (n_lanes > 8)
        lanes_of(2, n_rows, n, a, 1, step, b, factor, y);
    else if (step == 1)
        lanes_of(1, n_rows, n, a, row, 1, b, factor, y);
    else
        lanes_of(1, n_rows, n, a, 1, step, b, factor, y);
}

/* n vectors of eight rows of S, n <= 4, 16 rows being n_keys * 16 floats. Both products are taken
 * of the state before: S q is then what of it stays plus e times k.q; and the second time it is in
 * a core's own cache. */
ALWAYS void delta_block(const int n, int64_t n_keys, float decay, float beta, float kq,
                        const float *q, const float *k, const float *v, float *state, float *out)
{
    const int64_t group = n_keys * 16;
    __m256 sk[4], sq[4];
    UNROLL for (int j = 0; j < n; j++) sk[j] = sq[j] = _mm256_setzero_ps();
    for (int64_t i = 0; i < n_keys; i++) {
        const __m256 ki = _mm256_broadcast_ss(k + i), qi = _mm256_broadcast_ss(q + i);
        UNROLL for (int j = 0; j < n; j++)
        {
            const __m256 s = _mm256_loadu_ps(state + j / 2 * group + i * 16 + j % 2 * 8);
            sk[j] = _mm256_fmadd_ps(s, ki, sk[j]);
            sq[j] = _mm256_fmadd_ps(s, qi, sq[j]);
        }
    }
    const __m256 a = _mm256_set1_ps(decay), b = _mm256_set1_ps(beta), c = _mm256_set1_ps(kq);
    UNROLL for (int j = 0; j < n; j++)
    {
        sk[j] = _mm256_mul_ps(b, _mm256_fnmadd_ps(a, sk[j], _mm256_loadu_ps(v + 8 * j)));
        _mm256_storeu_ps(out + 8 * j, _mm256_fmadd_ps(sk[j], c, _mm256_mul_ps(a, sq[j])));
    }
    for (int64_t i = 0; i < n_keys; i++) {
        const __m256 ki = _mm256_broadcast_ss(k + i);
        UNROLL for (int j = 0; j < n; j++)
        {
            float *s = state + j / 2 * group + i * 16 + j % 2 * 8;
            _mm256_storeu_ps(s, _mm256_fmadd_ps(sk[j], ki, _mm256_mul_ps(a, _mm256_loadu_ps(s))));
        }
    }
}

static void vec_delta_step_avx2(int64_t n_keys, int64_t n_values, float decay, float beta,
                                const float *q, const float *k, const float *v, float *state,
                                float *out)
{
    const float kq = vec_dot_avx2(n_keys, k, q);
    int64_t i = 0;
    for (; i + 32 <= n_values; i += 32)
        delta_block(4, n_keys, decay, beta, kq, q, k, v + i, state + i * n_keys, out + i);
    if (i < n_values)
        delta_block(2, n_keys, decay, beta, kq, q, k, v + i, state + i * n_keys, out + i);
}

/* Eight channels of a convolution over its tokens: taps and the inputs that they still meet stay in
 * registers. */
ALWAYS void conv_8(const struct cn_conv *c, const int taps, int64_t at)
{
    __m256 w[CN_MAX_TAPS], u[CN_MAX_TAPS];
    const __m256 bias = c->bias ? _mm256_loadu_ps(c->bias + at) : _mm256_setzero_ps();
    UNROLL for (int j = 0; j < taps; j++) w[j] = _mm256_loadu_ps(c->taps + j * c->stride + at);
    UNROLL for (int j = 0; j + 1 < taps; j++) u[j] = _mm256_loadu_ps(c->state + j * c->stride + at);
    for (int64_t t = 0; t < c->n_tokens; t++) {
        const int64_t i = t * c->x_stride + at;
        __m256 sum = bias;
        u[taps - 1] = _mm256_loadu_ps(c->x + i);
        if (c->gate_in)
            u[taps - 1] = _mm256_mul_ps(u[taps - 1], _mm256_loadu_ps(c->gate_in + i));
        UNROLL for (int j = 0; j < taps; j++) sum = _mm256_fmadd_ps(w[j], u[j], sum);
        UNROLL for (int j = 0; j + 1 < taps; j++) u[j] = u[j + 1];
        if (c->silu)
            sum = silu8(sum, _mm256_set1_ps(1));
        if (c->gate_out)
            sum = _mm256_mul_ps(sum, _mm256_loadu_ps(c->gate_out + i));
        _mm256_storeu_ps(c->x + i, sum);
    }
    UNROLL for (int j = 0; j + 1 < taps; j++) _mm256_storeu_ps(c->state + j * c->stride + at, u[j]);
}

static void vec_conv_avx2(const struct cn_conv *c)
{
    int64_t i = 0;
    for (; c->n_taps == 3 && i + 8 <= c->n_channels; i += 8)
        conv_8(c, 3, i);
    for (; c->n_taps == 4 && i + 8 <= c->n_channels; i += 8)
        conv_8(c, 4, i);
    const struct cn_conv rest = cn_conv_from(c, i);
    if (rest.n_channels > 0)
        cn_vec_ref.conv(&rest);
}

/* Two groups of 16 values at a time, one row of the state after the other: four sums are enough to
 * hide what an addition takes. */
ALWAYS void ssm_groups(const int groups, int64_t n, float decay, const float *x, const float *b,
                       const float *c, float *state, float *y)
{
    __m256 v[4], sum[4];
    const __m256 fade = _mm256_set1_ps(decay);
    UNROLL for (int k = 0; k < 2 * groups; k++)
    {
        v[k] = _mm256_loadu_ps(x + 8 * k);
        sum[k] = _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < n; i++) {
        const __m256 key = _mm256_broadcast_ss(b + i), query = _mm256_broadcast_ss(c + i);
        UNROLL for (int k = 0; k < 2 * groups; k++)
        {
            float *const s = state + (k / 2 * n + i) * 16 + k % 2 * 8;
            const __m256 new = _mm256_fmadd_ps(key, v[k], _mm256_mul_ps(fade, _mm256_loadu_ps(s)));
            _mm256_storeu_ps(s, new);
            sum[k] = _mm256_fmadd_ps(query, new, sum[k]);
        }
    }
    UNROLL for (int k = 0; k < 2 * groups; k++) _mm256_storeu_ps(y + 8 * k, sum[k]);
}

static void vec_ssm_step_avx2(int64_t n_groups, int64_t n, float decay, const float *x,
                              const float *b, const float *c, float *state, float *y)
{
    int64_t g = 0;
    for (; g + 2 <= n_groups; g += 2)
        ssm_groups(2, n, decay, x + 16 * g, b, c, state + 16 * g * n, y + 16 * g);
    if (g < n_groups)
        ssm_groups(1, n, decay, x + 16 * g, b, c, state + 16 * g * n, y + 16 * g);
}

const struct cn_vec cn_vec_avx2 = {
    .quantize_q8 = vec_quantize_q8_avx2,
    .dot = vec_dot_avx2,
    .dot_f16 = vec_dot_f16_avx2,
    .axpy = vec_axpy_avx2,
    .axpy_f16 = vec_axpy_f16_avx2,
    .dots_f16 = vec_dots_f16_avx2,
    .sums_f16 = vec_sums_f16_avx2,
    .sums_q8_0 = vec_sums_q8_0_avx2,
    .to_f16 = vec_to_f16_avx2,
    .from_f16 = vec_from_f16_avx2,
    .from_q8_0 = vec_from_q8_0_avx2,
    .rms_norm = vec_rms_norm_avx2,
    .silu_mul = vec_silu_mul_avx2,
    .gelu_mul = vec_gelu_mul_avx2,
    .exp_sum = vec_exp_sum_avx2,
    .max = vec_max_avx2,
    .softmax_lanes = vec_softmax_lanes_avx2,
    .lane_products = vec_lane_products_avx2,
    .delta_step = vec_delta_step_avx2,
    .conv = vec_conv_avx2,
    .ssm_step = vec_ssm_step_avx2,
};

/* SPDX-License-Identifier: MIT
 *
 * Vector operations for AVX-512, where twice the width shows (docs/SPEED.md). Sums run in several
 * lanes, so they differ from the reference in the order of float additions only; exp has a relative
 * error below 2^-22.
 */
#include "quant/x86/simd_avx512.h"

#include "quant/vec.h"

#include <math.h>

/* The lanes that the last n elements take. */
ALWAYS __mmask16 last_lanes(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static void vec_quantize_q8_avx512(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
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

/* x / ln 2 to the nearest integer. */
ALWAYS __m512 log2_e_times(__m512 x)
{
    return _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504088896341f)),
                                _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* e^x is 2^k times this, k = log2_e_times(x): a polynomial of degree 6 (Taylor, whose last term is
 * below 2^-24 for what is left of x, at most ln 2 / 2). */
ALWAYS __m512 exp_rest(__m512 x, __m512 k)
{
    __m512 r = _mm512_fnmadd_ps(k, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(k, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.0f / 720);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    return _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
}

/* e^x for x <= 0 or NaN; below -87.3 it is 0. */
ALWAYS __m512 exp_below(__m512 x)
{
    const __m512 k = log2_e_times(x);
    const __mmask16 some = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.33654f), _CMP_NLT_UQ);
    return _mm512_maskz_scalef_ps(some, exp_rest(x, k), k);
}

/* Below -87.3 the result is 0, above 88.7 infinity; NaN stays NaN. */
ALWAYS __m512 exp16(__m512 x)
{
    const __mmask16 high = _mm512_cmp_ps_mask(x, _mm512_set1_ps(88.72283f), _CMP_GT_OQ);
    return _mm512_mask_mov_ps(exp_below(x), high, _mm512_set1_ps(INFINITY));
}

ALWAYS __m512 silu16(__m512 g, __m512 u)
{
    const __m512 e = exp16(_mm512_sub_ps(_mm512_setzero_ps(), g));
    return _mm512_mul_ps(_mm512_div_ps(g, _mm512_add_ps(_mm512_set1_ps(1), e)), u);
}

static void vec_silu_mul_avx512(int64_t n, const float *gate, const float *up, float *y)
{
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 k = n - i < 16 ? last_lanes(n - i) : (__mmask16)-1;
        _mm512_mask_storeu_ps(
            y + i, k, silu16(_mm512_maskz_loadu_ps(k, gate + i), _mm512_maskz_loadu_ps(k, up + i)));
    }
}

/* 0.5 x (1 + tanh(z)) = x / (1 + e^(-2z)) */
ALWAYS __m512 gelu16(__m512 x, __m512 u)
{
    const __m512 x2 = _mm512_mul_ps(x, x);
    const __m512 z2 =
        _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(-2 * 0.79788456080286535588f)),
                      _mm512_fmadd_ps(x2, _mm512_set1_ps(0.044715f), _mm512_set1_ps(1)));
    return _mm512_mul_ps(_mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1), exp16(z2))), u);
}

static void vec_gelu_mul_avx512(int64_t n, const float *gate, const float *up, float *y)
{
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 k = n - i < 16 ? last_lanes(n - i) : (__mmask16)-1;
        const __m512 u = up ? _mm512_maskz_loadu_ps(k, up + i) : _mm512_set1_ps(1);
        _mm512_mask_storeu_ps(y + i, k, gelu16(_mm512_maskz_loadu_ps(k, gate + i), u));
    }
}

static float vec_exp_sum_avx512(int64_t n, float max, float *x)
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

static void vec_softmax_lanes_avx512(int64_t n, int n_lanes, float *p, float *max, float *sum,
                                     float *factor)
{
    enum { N = 16 };
    const __m512 before = _mm512_loadu_ps(max);
    __m512 top = before, more = _mm512_setzero_ps();
    (void)n_lanes;
    for (int64_t i = 0; i < n; i++)
        top = _mm512_max_ps(top, _mm512_loadu_ps(p + i * N));
    /* Where both are -infinity their difference is NaN; it is not taken. */
    const __mmask16 other = _mm512_cmp_ps_mask(before, top, _CMP_NEQ_UQ);
    const __m512 by = exp_below(_mm512_maskz_sub_ps(other, before, top));
    /* -infinity less 0 stays that, and its exponential is 0. */
    const __mmask16 some = _mm512_cmp_ps_mask(top, _mm512_set1_ps(-INFINITY), _CMP_NEQ_UQ);
    const __m512 base = _mm512_maskz_mov_ps(some, top);
    for (int64_t i = 0; i < n; i++) {
        const __m512 e = exp_below(_mm512_sub_ps(_mm512_loadu_ps(p + i * N), base));
        _mm512_storeu_ps(p + i * N, e);
        more = _mm512_add_ps(more, e);
    }
    _mm512_storeu_ps(factor, by);
    _mm512_storeu_ps(max, top);
    _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_loadu_ps(sum), by, more));
}

/* nr rows, a register each. */
ALWAYS void lanes_block(const int nr, int64_t n, const float *a, int64_t row, int64_t step,
                        const float *b, const float *factor, float *y)
{
    enum { N = 16 };
    __m512 acc[N];
    UNROLL for (int r = 0; r < nr; r++) acc[r] =
        factor ? _mm512_mul_ps(_mm512_loadu_ps(factor), _mm512_loadu_ps(y + r * N))
               : _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i++) {
        const __m512 bv = _mm512_loadu_ps(b + i * N);
        UNROLL for (int r = 0; r < nr; r++) acc[r] =
            _mm512_fmadd_ps(_mm512_set1_ps(a[r * row + i * step]), bv, acc[r]);
    }
    UNROLL for (int r = 0; r < nr; r++) _mm512_storeu_ps(y + r * N, acc[r]);
}

/* One of row and step is the constant 1, so that addresses take little arithmetic. */
ALWAYS void lanes_of(int64_t n_rows, int64_t n, const float *a, const int64_t row,
                     const int64_t step, const float *b, const float *factor, float *y)
{
    enum { N = 16 };
    int64_t r = 0;
    for (; r + N <= n_rows; r += N)
        lanes_block(N, n, a + r * row, row, step, b, factor, y + r * N);
    for (; r + 4 <= n_rows; r += 4)
        lanes_block(4, n, a + r * row, row, step, b, factor, y + r * N);
    for (; r < n_rows; r++)
        lanes_block(1, n, a + r * row, row, step, b, factor, y + r * N);
}

static void vec_lane_products_avx512(int64_t n_rows, int64_t n, int n_lanes, const float *a,
                                     int64_t row, int64_t step, const float *b, const float *factor,
                                     float *y)
{
    (void)n_lanes;
    if (step == 1)
        lanes_of(n_rows, n, a, row, 1, b, factor, y);
    else
        lanes_of(n_rows, n, a, 1, step, b, factor, y);
}

/* ---- attention: rows of f16, several vectors of floats --------------------------------------- */

/* Lane j of the result is the sum of the lanes of v[j]. */
ALWAYS __m512 sums_of_sixteen(const __m512 *v)
{
    __m512 t[8], u[4], w[2];
    UNROLL for (int i = 0; i < 8; i++) t[i] = _mm512_add_ps(
        _mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512d a = _mm512_castps_pd(t[2 * i]), b = _mm512_castps_pd(t[2 * i + 1]);
        u[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                             _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    UNROLL for (int i = 0; i < 2; i++) w[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0x88),
                      _mm512_shuffle_f32x4(u[2 * i], u[2 * i + 1], 0xdd));
    return _mm512_add_ps(_mm512_shuffle_f32x4(w[0], w[1], 0x88),
                         _mm512_shuffle_f32x4(w[0], w[1], 0xdd));
}

ALWAYS __m512 halves(__mmask16 k, const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(k, p));
}

/* The products of 16 columns, or of those in k, are added to acc. */
ALWAYS void dots_step(const int nv, const int nr, __mmask16 k, int64_t n, const float *a,
                      const uint16_t *rows, int64_t stride, __m512 *acc)
{
    __m512 row[16];
    UNROLL for (int r = 0; r < nr; r++) row[r] = halves(k, rows + r * stride);
    UNROLL for (int v = 0; v < nv; v++)
    {
        const __m512 av = _mm512_maskz_loadu_ps(k, a + v * n);
        UNROLL for (int r = 0; r < nr; r++) acc[v * nr + r] =
            _mm512_fmadd_ps(av, row[r], acc[v * nr + r]);
    }
}

/* nv vectors with nr rows, nv * nr = 16: a converted row serves all vectors. Lane v * nr + r of the
 * result is a[v] . row r. ask: rows to come are asked for, see struct cn_vec. */
ALWAYS __m512 dots_block(const int nv, const int nr, int64_t n, const float *a,
                         const uint16_t *rows, int64_t stride, const bool ask)
{
    __m512 acc[16];
    UNROLL for (int j = 0; j < 16; j++) acc[j] = _mm512_setzero_ps();
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        if (ask)
            UNROLL for (int r = 0; r < nr; r++)
                prefetch((const uint8_t *)(rows + r * stride + i), 64);
        dots_step(nv, nr, (__mmask16)-1, n, a + i, rows + i, stride, acc);
        dots_step(nv, nr, (__mmask16)-1, n, a + i + 16, rows + i + 16, stride, acc);
    }
    for (; i < n; i += 16)
        dots_step(nv, nr, n - i < 16 ? last_lanes(n - i) : (__mmask16)-1, n, a + i, rows + i,
                  stride, acc);
    return sums_of_sixteen(acc);
}

static float vec_dot_f16_avx512(int64_t n, const float *a, const uint16_t *b)
{
    __m512 acc = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 k = n - i < 16 ? last_lanes(n - i) : (__mmask16)-1;
        acc = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(k, a + i), halves(k, b + i), acc);
    }
    return _mm512_reduce_add_ps(acc);
}

static void vec_dots_f16_avx512(int64_t n_vecs, int64_t n_rows, int64_t n, const float *a,
                                const uint16_t *rows, int64_t stride, float *out,
                                int64_t out_stride)
{
    int64_t v = 0;
    for (; v + 4 <= n_vecs; v += 4) {
        float *to = out + v * out_stride;
        int64_t r = 0;
        for (; r + 4 <= n_rows; r += 4) {
            const uint16_t *at = rows + r * stride;
            const __m512 sums = dots_block(4, 4, n, a + v * n, at, stride, v == 0);
            _mm_storeu_ps(to + r, _mm512_castps512_ps128(sums));
            _mm_storeu_ps(to + out_stride + r, _mm512_extractf32x4_ps(sums, 1));
            _mm_storeu_ps(to + 2 * out_stride + r, _mm512_extractf32x4_ps(sums, 2));
            _mm_storeu_ps(to + 3 * out_stride + r, _mm512_extractf32x4_ps(sums, 3));
        }
        for (; r < n_rows; r++)
            for (int j = 0; j < 4; j++)
                to[j * out_stride + r] = vec_dot_f16_avx512(n, a + (v + j) * n, rows + r * stride);
    }
    for (; v < n_vecs; v++) {
        float *to = out + v * out_stride;
        int64_t r = 0;
        for (; r + 16 <= n_rows; r += 16) {
            const uint16_t *at = rows + r * stride;
            _mm512_storeu_ps(to + r, dots_block(1, 16, n, a + v * n, at, stride, v == 0));
        }
        for (; r < n_rows; r++)
            to[r] = vec_dot_f16_avx512(n, a + v * n, rows + r * stride);
    }
}

/* 16 * nc columns of nv vectors, nv * nc <= 16, stay in registers over all rows; the last of one
 * column of registers may be partial. */
ALWAYS void sums_block(const int nv, const int nc, __mmask16 k, int64_t n_rows, int64_t n,
                       const float *w, int64_t w_stride, const uint16_t *rows, int64_t stride,
                       bool ask, float *y)
{
    __m512 acc[16], row[4];
    UNROLL for (int j = 0; j < nv * nc; j++) acc[j] =
        _mm512_maskz_loadu_ps(k, y + j / nc * n + j % nc * 16);
    for (int64_t r = 0; r < n_rows; r++) {
        const uint16_t *at = rows + r * stride;
        if (ask)
            prefetch((const uint8_t *)at, 32 * nc);
        UNROLL for (int c = 0; c < nc; c++) row[c] = halves(k, at + 16 * c);
        UNROLL for (int v = 0; v < nv; v++)
        {
            const __m512 wv = _mm512_set1_ps(w[v * w_stride + r]);
            UNROLL for (int c = 0; c < nc; c++) acc[v * nc + c] =
                _mm512_fmadd_ps(wv, row[c], acc[v * nc + c]);
        }
    }
    UNROLL for (int j = 0; j < nv * nc; j++)
        _mm512_mask_storeu_ps(y + j / nc * n + j % nc * 16, k, acc[j]);
}

ALWAYS void sums_of(const int nv, int64_t n_rows, int64_t n, const float *w, int64_t w_stride,
                    const uint16_t *rows, int64_t stride, bool ask, float *y)
{
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        sums_block(nv, 4, (__mmask16)-1, n_rows, n, w, w_stride, rows + i, stride, ask, y + i);
    for (; i + 32 <= n; i += 32)
        sums_block(nv, 2, (__mmask16)-1, n_rows, n, w, w_stride, rows + i, stride, ask, y + i);
    for (; i < n; i += 16)
        sums_block(nv, 1, n - i < 16 ? last_lanes(n - i) : (__mmask16)-1, n_rows, n, w, w_stride,
                   rows + i, stride, ask, y + i);
}

static void vec_sums_f16_avx512(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                                int64_t w_stride, const uint16_t *rows, int64_t stride, float *y)
{
    int64_t v = 0;
    for (; v + 4 <= n_vecs; v += 4)
        sums_of(4, n_rows, n, w + v * w_stride, w_stride, rows, stride, v == 0, y + v * n);
    for (; v < n_vecs; v++)
        sums_of(1, n_rows, n, w + v * w_stride, w_stride, rows, stride, v == 0, y + v * n);
}

/* n groups of 16 rows of S, n <= 4. Both products are taken of the state before: S q is then what
 * of it stays plus e times k.q; and the second time it is in a core's own cache. */
ALWAYS void delta_block(const int n, int64_t n_keys, float decay, float beta, float kq,
                        const float *q, const float *k, const float *v, float *state, float *out)
{
    const int64_t group = n_keys * 16;
    __m512 sk[4], sq[4];
    UNROLL for (int j = 0; j < n; j++) sk[j] = sq[j] = _mm512_setzero_ps();
    for (int64_t i = 0; i < n_keys; i++) {
        const __m512 ki = _mm512_set1_ps(k[i]), qi = _mm512_set1_ps(q[i]);
        UNROLL for (int j = 0; j < n; j++)
        {
            const __m512 s = _mm512_loadu_ps(state + j * group + i * 16);
            sk[j] = _mm512_fmadd_ps(s, ki, sk[j]);
            sq[j] = _mm512_fmadd_ps(s, qi, sq[j]);
        }
    }
    const __m512 a = _mm512_set1_ps(decay), b = _mm512_set1_ps(beta), c = _mm512_set1_ps(kq);
    UNROLL for (int j = 0; j < n; j++)
    {
        sk[j] = _mm512_mul_ps(b, _mm512_fnmadd_ps(a, sk[j], _mm512_loadu_ps(v + 16 * j)));
        _mm512_storeu_ps(out + 16 * j, _mm512_fmadd_ps(sk[j], c, _mm512_mul_ps(a, sq[j])));
    }
    for (int64_t i = 0; i < n_keys; i++) {
        const __m512 ki = _mm512_set1_ps(k[i]);
        UNROLL for (int j = 0; j < n; j++)
        {
            float *s = state + j * group + i * 16;
            _mm512_storeu_ps(s, _mm512_fmadd_ps(sk[j], ki, _mm512_mul_ps(a, _mm512_loadu_ps(s))));
        }
    }
}

static void vec_delta_step_avx512(int64_t n_keys, int64_t n_values, float decay, float beta,
                                  const float *q, const float *k, const float *v, float *state,
                                  float *out)
{
    __m512 sum = _mm512_setzero_ps();
    for (int64_t j = 0; j < n_keys; j += 16) {
        const __mmask16 m = n_keys - j < 16 ? last_lanes(n_keys - j) : (__mmask16)-1;
        sum =
            _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, k + j), _mm512_maskz_loadu_ps(m, q + j), sum);
    }
    const float kq = _mm512_reduce_add_ps(sum);
    int64_t i = 0;
    for (; i + 64 <= n_values; i += 64)
        delta_block(4, n_keys, decay, beta, kq, q, k, v + i, state + i * n_keys, out + i);
    for (; i < n_values; i += 16)
        delta_block(1, n_keys, decay, beta, kq, q, k, v + i, state + i * n_keys, out + i);
}

/* Sixteen channels of a convolution, or what of them mask k has, over its tokens: taps and the
 * inputs that they still meet stay in registers. */
ALWAYS void conv_16(const struct cn_conv *c, const int taps, __mmask16 k, int64_t at)
{
    __m512 w[CN_MAX_TAPS], u[CN_MAX_TAPS];
    const __m512 bias = c->bias ? _mm512_maskz_loadu_ps(k, c->bias + at) : _mm512_setzero_ps();
    UNROLL for (int j = 0; j < taps; j++) w[j] =
        _mm512_maskz_loadu_ps(k, c->taps + j * c->stride + at);
    UNROLL for (int j = 0; j + 1 < taps; j++) u[j] =
        _mm512_maskz_loadu_ps(k, c->state + j * c->stride + at);
    for (int64_t t = 0; t < c->n_tokens; t++) {
        const int64_t i = t * c->x_stride + at;
        __m512 sum = bias;
        u[taps - 1] = _mm512_maskz_loadu_ps(k, c->x + i);
        if (c->gate_in)
            u[taps - 1] = _mm512_mul_ps(u[taps - 1], _mm512_maskz_loadu_ps(k, c->gate_in + i));
        UNROLL for (int j = 0; j < taps; j++) sum = _mm512_fmadd_ps(w[j], u[j], sum);
        UNROLL for (int j = 0; j + 1 < taps; j++) u[j] = u[j + 1];
        if (c->silu)
            sum = silu16(sum, _mm512_set1_ps(1));
        if (c->gate_out)
            sum = _mm512_mul_ps(sum, _mm512_maskz_loadu_ps(k, c->gate_out + i));
        _mm512_mask_storeu_ps(c->x + i, k, sum);
    }
    UNROLL for (int j = 0; j + 1 < taps; j++)
        _mm512_mask_storeu_ps(c->state + j * c->stride + at, k, u[j]);
}

static void vec_conv_avx512(const struct cn_conv *c)
{
    if (c->n_taps != 3 && c->n_taps != 4) {
        cn_vec_ref.conv(c);
        return;
    }
    for (int64_t i = 0; i < c->n_channels; i += 16) {
        const int64_t left = c->n_channels - i;
        const __mmask16 k = left < 16 ? last_lanes(left) : 0xffff;
        if (c->n_taps == 3)
            conv_16(c, 3, k, i);
        else
            conv_16(c, 4, k, i);
    }
}

/* Groups of 16 values, one row of the state after the other: four sums are enough to hide what an
 * addition takes. */
ALWAYS void ssm_groups(const int groups, int64_t n, float decay, const float *x, const float *b,
                       const float *c, float *state, float *y)
{
    __m512 v[4], sum[4];
    const __m512 fade = _mm512_set1_ps(decay);
    UNROLL for (int k = 0; k < groups; k++)
    {
        v[k] = _mm512_loadu_ps(x + 16 * k);
        sum[k] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < n; i++) {
        const __m512 key = _mm512_set1_ps(b[i]), query = _mm512_set1_ps(c[i]);
        UNROLL for (int k = 0; k < groups; k++)
        {
            float *const s = state + (k * n + i) * 16;
            const __m512 new = _mm512_fmadd_ps(key, v[k], _mm512_mul_ps(fade, _mm512_loadu_ps(s)));
            _mm512_storeu_ps(s, new);
            sum[k] = _mm512_fmadd_ps(query, new, sum[k]);
        }
    }
    UNROLL for (int k = 0; k < groups; k++) _mm512_storeu_ps(y + 16 * k, sum[k]);
}

static void vec_ssm_step_avx512(int64_t n_groups, int64_t n, float decay, const float *x,
                                const float *b, const float *c, float *state, float *y)
{
    int64_t g = 0;
    for (; g + 4 <= n_groups; g += 4)
        ssm_groups(4, n, decay, x + 16 * g, b, c, state + 16 * g * n, y + 16 * g);
    for (; g < n_groups; g++)
        ssm_groups(1, n, decay, x + 16 * g, b, c, state + 16 * g * n, y + 16 * g);
}

const struct cn_vec cn_vec_avx512 = {
    .quantize_q8 = vec_quantize_q8_avx512,
    .silu_mul = vec_silu_mul_avx512,
    .gelu_mul = vec_gelu_mul_avx512,
    .exp_sum = vec_exp_sum_avx512,
    .lane_products = vec_lane_products_avx512,
    .softmax_lanes = vec_softmax_lanes_avx512,
    .dots_f16 = vec_dots_f16_avx512,
    .sums_f16 = vec_sums_f16_avx512,
    .delta_step = vec_delta_step_avx512,
    .conv = vec_conv_avx512,
    .ssm_step = vec_ssm_step_avx512,
};

/* SPDX-License-Identifier: MIT
 *
 * Vector operations for Armv8.0. Sums run in several lanes, so they differ from the reference in
 * the order of float additions only; exp has a relative error below 2^-22.
 */
#include "quant/arm/simd_neon.h"

#include "quant/ref/q8_0.h"
#include "quant/vec.h"

#include <math.h>

static void vec_quantize_q8_neon(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
                                 int16_t *sum16)
{
    for (int64_t g = 0; g < n / 32; g++, x += 32, q += 32) {
        float32x4_t v[8];
        UNROLL for (int i = 0; i < 8; i++) v[i] = vld1q_f32(x + 4 * i);
        /* Magnitudes compare like integers, NaN and infinity above all numbers. */
        uint32x4_t a[8];
        UNROLL for (int i = 0; i < 8; i++) a[i] = vreinterpretq_u32_f32(vabsq_f32(v[i]));
        UNROLL for (int i = 0; i < 4; i++) a[i] = vmaxq_u32(a[i], a[i + 4]);
        const uint32_t top_bits =
            vmaxvq_u32(vmaxq_u32(vmaxq_u32(a[0], a[1]), vmaxq_u32(a[2], a[3])));
        float top;
        memcpy(&top, &top_bits, sizeof top);
        const bool finite = top_bits < 0x7f800000u;
        const float scale = finite ? top / 127 : NAN;
        const float inverse = finite && scale > 0x1p-126f ? 127 / top : 0;
        d[g] = scale;
        if (!(inverse > 0)) {
            vst1q_s8(q, vdupq_n_s8(0));
            vst1q_s8(q + 16, vdupq_n_s8(0));
            sum16[2 * g] = sum16[2 * g + 1] = 0;
            sum32[g] = scale * 0;
            continue;
        }
        int sums[2];
        UNROLL for (int h = 0; h < 2; h++)
        {
            int32x4_t r[4];
            UNROLL for (int i = 0; i < 4; i++) r[i] =
                vcvtnq_s32_f32(vmulq_n_f32(v[4 * h + i], inverse));
            const int16x8_t lo = vcombine_s16(vmovn_s32(r[0]), vmovn_s32(r[1]));
            const int16x8_t hi = vcombine_s16(vmovn_s32(r[2]), vmovn_s32(r[3]));
            vst1q_s8(q + 16 * h, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
            sums[h] = vaddvq_s16(vaddq_s16(lo, hi));
            sum16[2 * g + h] = (int16_t)sums[h];
        }
        sum32[g] = scale * (float)(sums[0] + sums[1]);
    }
}

ALWAYS float sum_of(const float32x4_t s[4])
{
    return vaddvq_f32(vaddq_f32(vaddq_f32(s[0], s[1]), vaddq_f32(s[2], s[3])));
}

ALWAYS float32x4x2_t floats_at(const uint16_t *h)
{
    const uint16x8_t v = vld1q_u16(h);
    return floats_of_halves(vget_low_u16(v), vget_high_u16(v));
}

static float vec_dot_neon(int64_t n, const float *a, const float *b)
{
    float32x4_t s[4];
    UNROLL for (int j = 0; j < 4; j++) s[j] = vdupq_n_f32(0);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        UNROLL for (int j = 0; j < 4; j++) s[j] =
            vfmaq_f32(s[j], vld1q_f32(a + i + 4 * j), vld1q_f32(b + i + 4 * j));
    }
    for (; i + 4 <= n; i += 4)
        s[0] = vfmaq_f32(s[0], vld1q_f32(a + i), vld1q_f32(b + i));
    float sum = sum_of(s);
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float vec_dot_f16_neon(int64_t n, const float *a, const uint16_t *b)
{
    float32x4_t s[4];
    UNROLL for (int j = 0; j < 4; j++) s[j] = vdupq_n_f32(0);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        UNROLL for (int j = 0; j < 2; j++)
        {
            const float32x4x2_t v = floats_at(b + i + 8 * j);
            s[2 * j] = vfmaq_f32(s[2 * j], vld1q_f32(a + i + 8 * j), v.val[0]);
            s[2 * j + 1] = vfmaq_f32(s[2 * j + 1], vld1q_f32(a + i + 8 * j + 4), v.val[1]);
        }
    }
    float sum = sum_of(s);
    for (; i < n; i++)
        sum += a[i] * half_at(b + i);
    return sum;
}

static void vec_axpy_neon(int64_t n, float a, const float *x, float *y)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vfmaq_n_f32(vld1q_f32(y + i), vld1q_f32(x + i), a));
    for (; i < n; i++)
        y[i] += a * x[i];
}

static void vec_axpy_f16_neon(int64_t n, float a, const uint16_t *x, float *y)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const float32x4x2_t v = floats_at(x + i);
        vst1q_f32(y + i, vfmaq_n_f32(vld1q_f32(y + i), v.val[0], a));
        vst1q_f32(y + i + 4, vfmaq_n_f32(vld1q_f32(y + i + 4), v.val[1], a));
    }
    for (; i < n; i++)
        y[i] += a * half_at(x + i);
}

/* Lines of rows to come, as many bytes as a row of halves has. */
ALWAYS void ask_for_row(const uint16_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32)
        prefetch((const uint8_t *)(row + i), 64);
}

static void vec_dots_f16_neon(int64_t n_vecs, int64_t n_rows, int64_t n, const float *a,
                              const uint16_t *rows, int64_t stride, float *out, int64_t out_stride)
{
    for (int64_t r = 0; r < n_rows; r++, rows += stride) {
        ask_for_row(rows, n);
        for (int64_t v = 0; v < n_vecs; v++)
            out[v * out_stride + r] = vec_dot_f16_neon(n, a + v * n, rows);
    }
}

static void vec_sums_f16_neon(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                              int64_t w_stride, const uint16_t *rows, int64_t stride, float *y)
{
    for (int64_t r = 0; r < n_rows; r++, rows += stride) {
        ask_for_row(rows, n);
        for (int64_t v = 0; v < n_vecs; v++)
            vec_axpy_f16_neon(n, w[v * w_stride + r], rows, y + v * n);
    }
}

/* A block's 32 columns times w[v] and the block's scale, added to nv vectors, nv <= 4. */
ALWAYS void add_q8_0_block(const int nv, const struct cn_block_q8_0 *b, int64_t n, const float *w,
                           int64_t w_stride, float *y)
{
    const float d = half_at(&b->d);
    for (int i = 0; i < 32; i += 8) {
        const int16x8_t wide = vmovl_s8(vld1_s8(b->q + i));
        const float32x4_t lo = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
        const float32x4_t hi = vcvtq_f32_s32(vmovl_high_s16(wide));
        for (int v = 0; v < nv; v++) {
            float *to = y + v * n + i;
            vst1q_f32(to, vfmaq_n_f32(vld1q_f32(to), lo, d * w[v * w_stride]));
            vst1q_f32(to + 4, vfmaq_n_f32(vld1q_f32(to + 4), hi, d * w[v * w_stride]));
        }
    }
}

static void vec_sums_q8_0_neon(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                               int64_t w_stride, const uint8_t *rows, size_t row_bytes, float *y)
{
    for (int64_t r = 0; r < n_rows; r++, rows += row_bytes) {
        const struct cn_block_q8_0 *b = (const void *)rows;
        for (int64_t i = 0; i < n; i += 32, b++) {
            int64_t v = 0;
            for (; v + 4 <= n_vecs; v += 4)
                add_q8_0_block(4, b, n, w + v * w_stride + r, w_stride, y + v * n + i);
            for (; v < n_vecs; v++)
                add_q8_0_block(1, b, n, w + v * w_stride + r, w_stride, y + v * n + i);
        }
    }
}

static void vec_to_f16_neon(int64_t n, const float *x, uint16_t *y)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++)
        y[i] = cn_f32_to_f16(x[i]);
}

static void vec_from_f16_neon(int64_t n_rows, int64_t n, const uint16_t *x, int64_t x_stride,
                              float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++, x += x_stride, y += y_stride) {
        int64_t i = 0;
        for (; i + 8 <= n; i += 8) {
            const float32x4x2_t v = floats_at(x + i);
            vst1q_f32(y + i, v.val[0]);
            vst1q_f32(y + i + 4, v.val[1]);
        }
        for (; i < n; i++)
            y[i] = half_at(x + i);
    }
}

static void vec_from_q8_0_neon(int64_t n_rows, int64_t n, const uint8_t *x, size_t row_bytes,
                               float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++, x += row_bytes, y += y_stride) {
        const struct cn_block_q8_0 *b = (const void *)x;
        for (int64_t i = 0; i < n; i += 32, b++) {
            const float d = half_at(&b->d);
            for (int j = 0; j < 32; j += 8) {
                const int16x8_t wide = vmovl_s8(vld1_s8(b->q + j));
                const float32x4_t lo = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
                const float32x4_t hi = vcvtq_f32_s32(vmovl_high_s16(wide));
                vst1q_f32(y + i + j, vmulq_n_f32(lo, d));
                vst1q_f32(y + i + j + 4, vmulq_n_f32(hi, d));
            }
        }
    }
}

static void vec_rms_norm_neon(int64_t n, const float *x, const float *w, float eps, float *y)
{
    float64x2_t s[2] = { vdupq_n_f64(0), vdupq_n_f64(0) };
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t v = vld1q_f32(x + i);
        const float64x2_t lo = vcvt_f64_f32(vget_low_f32(v)), hi = vcvt_high_f64_f32(v);
        s[0] = vfmaq_f64(s[0], lo, lo);
        s[1] = vfmaq_f64(s[1], hi, hi);
    }
    double sum = vaddvq_f64(vaddq_f64(s[0], s[1]));
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    const float scale = 1 / sqrtf((float)(sum / (double)n) + eps);
    for (i = 0; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), scale), vld1q_f32(w + i)));
    for (; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

/* e^x by 2^k * p(r), |r| <= ln2 / 2, p of degree 6 (Taylor, whose last term is below 2^-24 there).
 * Below -87.3 the result is 0, above 88.7 infinity; NaN stays NaN. */
ALWAYS float32x4_t exp4(float32x4_t x)
{
    const int32x4_t ki = vcvtnq_s32_f32(vmulq_n_f32(x, 1.44269504088896341f));
    const float32x4_t k = vcvtq_f32_s32(ki);
    float32x4_t r = vfmsq_n_f32(x, k, 0.693359375f);
    r = vfmsq_n_f32(r, k, -2.12194440e-4f);
    float32x4_t p = vdupq_n_f32(1.0f / 720);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1), p, r);
    p = vfmaq_f32(vdupq_n_f32(1), p, r);
    /* 2^k in two factors, so that k = 128 does not overflow the exponent field. */
    const int32x4_t half = vshrq_n_s32(ki, 1), bias = vdupq_n_s32(127);
    const float32x4_t f0 = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    const float32x4_t f1 =
        vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(ki, half), bias), 23));
    float32x4_t y = vmulq_f32(vmulq_f32(p, f0), f1);
    y = vbslq_f32(vcltq_f32(x, vdupq_n_f32(-87.33654f)), vdupq_n_f32(0), y);
    y = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(88.72283f)), vdupq_n_f32(INFINITY), y);
    return vbslq_f32(vceqq_f32(x, x), y, x);
}

/* Tails go through the same code in a padded buffer, so that a value does not depend on where it
 * stands. */
ALWAYS float32x4_t load_tail(const float *x, int64_t n)
{
    float t[4] = { 0 };
    memcpy(t, x, (size_t)n * sizeof *x);
    return vld1q_f32(t);
}

ALWAYS void store_tail(float *y, int64_t n, float32x4_t v)
{
    float t[4];
    vst1q_f32(t, v);
    memcpy(y, t, (size_t)n * sizeof *y);
}

ALWAYS float32x4_t silu4(float32x4_t g, float32x4_t u)
{
    const float32x4_t e = exp4(vnegq_f32(g));
    return vmulq_f32(vdivq_f32(g, vaddq_f32(vdupq_n_f32(1), e)), u);
}

static void vec_silu_mul_neon(int64_t n, const float *gate, const float *up, float *y)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, silu4(vld1q_f32(gate + i), vld1q_f32(up + i)));
    if (i < n)
        store_tail(y + i, n - i, silu4(load_tail(gate + i, n - i), load_tail(up + i, n - i)));
}

/* 0.5 x (1 + tanh(z)) = x / (1 + e^(-2z)) */
ALWAYS float32x4_t gelu4(float32x4_t x, float32x4_t u)
{
    const float32x4_t one = vdupq_n_f32(1), x2 = vmulq_f32(x, x);
    const float32x4_t z2 =
        vmulq_f32(vmulq_n_f32(x, -2 * 0.79788456080286535588f), vfmaq_n_f32(one, x2, 0.044715f));
    return vmulq_f32(vdivq_f32(x, vaddq_f32(one, exp4(z2))), u);
}

static void vec_gelu_mul_neon(int64_t n, const float *gate, const float *up, float *y)
{
    const float32x4_t one = vdupq_n_f32(1);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, gelu4(vld1q_f32(gate + i), up ? vld1q_f32(up + i) : one));
    if (i < n)
        store_tail(y + i, n - i,
                   gelu4(load_tail(gate + i, n - i), up ? load_tail(up + i, n - i) : one));
}

static float vec_exp_sum_neon(int64_t n, float max, float *x)
{
    const float32x4_t m = vdupq_n_f32(max);
    float32x4_t s = vdupq_n_f32(0);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const float32x4_t e = exp4(vsubq_f32(vld1q_f32(x + i), m));
        vst1q_f32(x + i, e);
        s = vaddq_f32(s, e);
    }
    float sum = vaddvq_f32(s);
    if (i < n) {
        store_tail(x + i, n - i, exp4(vsubq_f32(load_tail(x + i, n - i), m)));
        for (; i < n; i++)
            sum += x[i];
    }
    return sum;
}

static float vec_max_neon(int64_t n, const float *x)
{
    float top = x[0];
    int64_t i = 0;
    if (n >= 4) {
        float32x4_t m = vld1q_f32(x);
        for (i = 4; i + 4 <= n; i += 4)
            m = vmaxnmq_f32(m, vld1q_f32(x + i));
        top = vmaxnmvq_f32(m);
    }
    for (; i < n; i++)
        top = fmaxf(top, x[i]);
    return top;
}

/* 16 rows of S. Both products are taken of the state before: S q is then what of it stays plus e
 * times k.q; and the second time it is in a core's own cache. */
ALWAYS void delta_group(int64_t n_keys, float decay, float beta, float kq, const float *q,
                        const float *k, const float *v, float *state, float *out)
{
    float32x4_t sk[4], sq[4];
    UNROLL for (int j = 0; j < 4; j++) sk[j] = sq[j] = vdupq_n_f32(0);
    for (int64_t i = 0; i < n_keys; i++) {
        UNROLL for (int j = 0; j < 4; j++)
        {
            const float32x4_t s = vld1q_f32(state + i * 16 + 4 * j);
            sk[j] = vfmaq_n_f32(sk[j], s, k[i]);
            sq[j] = vfmaq_n_f32(sq[j], s, q[i]);
        }
    }
    UNROLL for (int j = 0; j < 4; j++)
    {
        const float32x4_t left = vsubq_f32(vld1q_f32(v + 4 * j), vmulq_n_f32(sk[j], decay));
        sk[j] = vmulq_n_f32(left, beta);
        vst1q_f32(out + 4 * j, vfmaq_n_f32(vmulq_n_f32(sq[j], decay), sk[j], kq));
    }
    for (int64_t i = 0; i < n_keys; i++) {
        UNROLL for (int j = 0; j < 4; j++)
        {
            float *s = state + i * 16 + 4 * j;
            vst1q_f32(s, vfmaq_n_f32(vmulq_n_f32(vld1q_f32(s), decay), sk[j], k[i]));
        }
    }
}

static void vec_delta_step_neon(int64_t n_keys, int64_t n_values, float decay, float beta,
                                const float *q, const float *k, const float *v, float *state,
                                float *out)
{
    const float kq = vec_dot_neon(n_keys, k, q);
    for (int64_t i = 0; i < n_values; i += 16)
        delta_group(n_keys, decay, beta, kq, q, k, v + i, state + i * n_keys, out + i);
}

/* Four channels of a convolution over its tokens: taps and the inputs that they still meet stay in
 * registers. */
ALWAYS void conv_4(const struct cn_conv *c, const int taps, int64_t at)
{
    float32x4_t w[CN_MAX_TAPS], u[CN_MAX_TAPS];
    const float32x4_t bias = c->bias ? vld1q_f32(c->bias + at) : vdupq_n_f32(0);
    UNROLL for (int j = 0; j < taps; j++) w[j] = vld1q_f32(c->taps + j * c->stride + at);
    UNROLL for (int j = 0; j + 1 < taps; j++) u[j] = vld1q_f32(c->state + j * c->stride + at);
    for (int64_t t = 0; t < c->n_tokens; t++) {
        const int64_t i = t * c->x_stride + at;
        float32x4_t sum = bias;
        u[taps - 1] = vld1q_f32(c->x + i);
        if (c->gate_in)
            u[taps - 1] = vmulq_f32(u[taps - 1], vld1q_f32(c->gate_in + i));
        UNROLL for (int j = 0; j < taps; j++) sum = vfmaq_f32(sum, w[j], u[j]);
        UNROLL for (int j = 0; j + 1 < taps; j++) u[j] = u[j + 1];
        if (c->silu)
            sum = silu4(sum, vdupq_n_f32(1));
        if (c->gate_out)
            sum = vmulq_f32(sum, vld1q_f32(c->gate_out + i));
        vst1q_f32(c->x + i, sum);
    }
    UNROLL for (int j = 0; j + 1 < taps; j++) vst1q_f32(c->state + j * c->stride + at, u[j]);
}

static void vec_conv_neon(const struct cn_conv *c)
{
    int64_t i = 0;
    for (; c->n_taps == 3 && i + 4 <= c->n_channels; i += 4)
        conv_4(c, 3, i);
    for (; c->n_taps == 4 && i + 4 <= c->n_channels; i += 4)
        conv_4(c, 4, i);
    const struct cn_conv rest = cn_conv_from(c, i);
    if (rest.n_channels > 0)
        cn_vec_ref.conv(&rest);
}

/* A group of 16 values, one row of the state after the other: four sums are enough to hide what an
 * addition takes. */
static void vec_ssm_step_neon(int64_t n_groups, int64_t n, float decay, const float *x,
                              const float *b, const float *c, float *state, float *y)
{
    for (int64_t g = 0; g < n_groups; g++, x += 16, y += 16) {
        float32x4_t v[4], sum[4];
        UNROLL for (int k = 0; k < 4; k++)
        {
            v[k] = vld1q_f32(x + 4 * k);
            sum[k] = vdupq_n_f32(0);
        }
        for (int64_t i = 0; i < n; i++, state += 16) {
            UNROLL for (int k = 0; k < 4; k++)
            {
                const float32x4_t faded = vmulq_n_f32(vld1q_f32(state + 4 * k), decay);
                const float32x4_t new = vfmaq_n_f32(faded, v[k], b[i]);
                vst1q_f32(state + 4 * k, new);
                sum[k] = vfmaq_n_f32(sum[k], new, c[i]);
            }
        }
        UNROLL for (int k = 0; k < 4; k++) vst1q_f32(y + 4 * k, sum[k]);
    }
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static void vec_softmax_lanes_neon(int64_t n, int n_lanes, float *p, float *max, float *sum,
                                   float *factor)
{
    enum { N = 16 };
    for (int l = 0; l < n_lanes; l += 4, p += 4) {
        const float32x4_t before = vld1q_f32(max + l), lowest = vdupq_n_f32(-INFINITY);
        float32x4_t top = before, more = vdupq_n_f32(0);
        for (int64_t i = 0; i < n; i++)
            top = vmaxq_f32(top, vld1q_f32(p + i * N));
        /* Where both are -infinity their difference is NaN. */
        const float32x4_t apart =
            vbslq_f32(vceqq_f32(before, top), vdupq_n_f32(0), vsubq_f32(before, top));
        const float32x4_t by = exp4(apart);
        /* -infinity less 0 stays that, and its exponential is 0. */
        const float32x4_t base = vbslq_f32(vceqq_f32(top, lowest), vdupq_n_f32(0), top);
        for (int64_t i = 0; i < n; i++) {
            const float32x4_t e = exp4(vsubq_f32(vld1q_f32(p + i * N), base));
            vst1q_f32(p + i * N, e);
            more = vaddq_f32(more, e);
        }
        vst1q_f32(factor + l, by);
        vst1q_f32(max + l, top);
        vst1q_f32(sum + l, vfmaq_f32(more, vld1q_f32(sum + l), by));
    }
}

/* nr rows times 4 * nv lanes, nr * nv <= 16. */
ALWAYS void lanes_block(const int nr, const int nv, int64_t n, const float *a, int64_t row,
                        int64_t step, const float *b, const float *factor, float *y)
{
    enum { N = 16 };
    float32x4_t acc[16];
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) acc[r * nv + v] =
            factor ? vmulq_f32(vld1q_f32(factor + 4 * v), vld1q_f32(y + r * N + 4 * v))
                   : vdupq_n_f32(0);
    }
    for (int64_t i = 0; i < n; i++) {
        float32x4_t bv[4];
        UNROLL for (int v = 0; v < nv; v++) bv[v] = vld1q_f32(b + i * N + 4 * v);
        UNROLL for (int r = 0; r < nr; r++)
        {
            const float32x4_t av = vld1q_dup_f32(a + r * row + i * step);
            UNROLL for (int v = 0; v < nv; v++) acc[r * nv + v] =
                vfmaq_f32(acc[r * nv + v], av, bv[v]);
        }
    }
    UNROLL for (int r = 0; r < nr; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) vst1q_f32(y + r * N + 4 * v, acc[r * nv + v]);
    }
}

ALWAYS void lanes_of(const int nv, int64_t n_rows, int64_t n, const float *a, int64_t row,
                     int64_t step, const float *b, const float *factor, float *y)
{
    enum { N = 16 };
    const int rows = nv == 1 ? 8 : 4;
    int64_t r = 0;
    for (; r + rows <= n_rows; r += rows)
        lanes_block(rows, nv, n, a + r * row, row, step, b, factor, y + r * N);
    for (; r < n_rows; r++)
        lanes_block(1, nv, n, a + r * row, row, step, b, factor, y + r * N);
}

static void vec_lane_products_neon(int64_t n_rows, int64_t n, int n_lanes, const float *a,
                                   int64_t row, int64_t step, const float *b, const float *factor,
                                   float *y)
{
    if (n_lanes > 12)
        lanes_of(4, n_rows, n, a, row, step, b, factor, y);
    else if (n_lanes > 8)
        lanes_of(3, n_rows, n, a, row, step, b, factor, y);
    else if (n_lanes > 4)
        lanes_of(2, n_rows, n, a, row, step, b, factor, y);
    else
        lanes_of(1, n_rows, n, a, row, step, b, factor, y);
}

const struct cn_vec cn_vec_neon = {
    .quantize_q8 = vec_quantize_q8_neon,
    .dot = vec_dot_neon,
    .dot_f16 = vec_dot_f16_neon,
    .axpy = vec_axpy_neon,
    .axpy_f16 = vec_axpy_f16_neon,
    .dots_f16 = vec_dots_f16_neon,
    .sums_f16 = vec_sums_f16_neon,
    .sums_q8_0 = vec_sums_q8_0_neon,
    .to_f16 = vec_to_f16_neon,
    .from_f16 = vec_from_f16_neon,
    .from_q8_0 = vec_from_q8_0_neon,
    .lane_products = vec_lane_products_neon,
    .softmax_lanes = vec_softmax_lanes_neon,
    .rms_norm = vec_rms_norm_neon,
    .silu_mul = vec_silu_mul_neon,
    .gelu_mul = vec_gelu_mul_neon,
    .exp_sum = vec_exp_sum_neon,
    .max = vec_max_neon,
    .delta_step = vec_delta_step_neon,
    .conv = vec_conv_neon,
    .ssm_step = vec_ssm_step_neon,
};

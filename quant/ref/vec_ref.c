/* SPDX-License-Identifier: MIT
 *
 * The vector operations, plain C: the definition the tiers are held to. Sums run left to right in
 * float unless said.
 */
#include "quant/ref/q8_0.h"
#include "quant/vec.h"

#include <math.h>

static void vec_quantize_q8_ref(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
                                int16_t *sum16)
{
    for (int64_t g = 0; g < n / 32; g++, x += 32, q += 32) {
        float top = 0;
        bool finite = true;
        for (int i = 0; i < 32; i++) {
            top = fmaxf(top, fabsf(x[i]));
            finite &= isfinite(x[i]) != 0;
        }
        float scale = finite ? top / 127 : NAN;
        /* Below this 1/d would be infinite; such a group is zero for any purpose. */
        float inverse = finite && scale > 0x1p-126f ? 127 / top : 0;
        int sums[2] = { 0, 0 };
        for (int i = 0; i < 32; i++) {
            q[i] = inverse > 0 ? (int8_t)lrintf(x[i] * inverse) : 0;
            sums[i / 16] += q[i];
        }
        d[g] = scale;
        sum16[2 * g] = (int16_t)sums[0];
        sum16[2 * g + 1] = (int16_t)sums[1];
        sum32[g] = scale * (float)(sums[0] + sums[1]);
    }
}

static float vec_dot_ref(int64_t n, const float *a, const float *b)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float vec_dot_f16_ref(int64_t n, const float *a, const uint16_t *b)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * cn_f16_to_f32(b[i]);
    return sum;
}

static void vec_axpy_ref(int64_t n, float a, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void vec_axpy_f16_ref(int64_t n, float a, const uint16_t *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * cn_f16_to_f32(x[i]);
}

static void vec_dots_f16_ref(int64_t n_vecs, int64_t n_rows, int64_t n, const float *a,
                             const uint16_t *rows, int64_t stride, float *out, int64_t out_stride)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t v = 0; v < n_vecs; v++)
            out[v * out_stride + r] = vec_dot_f16_ref(n, a + v * n, rows + r * stride);
}

static void vec_sums_f16_ref(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                             int64_t w_stride, const uint16_t *rows, int64_t stride, float *y)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t v = 0; v < n_vecs; v++)
            vec_axpy_f16_ref(n, w[v * w_stride + r], rows + r * stride, y + v * n);
}

static void vec_sums_q8_0_ref(int64_t n_vecs, int64_t n_rows, int64_t n, const float *w,
                              int64_t w_stride, const uint8_t *rows, size_t row_bytes, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q8_0 *b = (const void *)(rows + (size_t)r * row_bytes);
        for (int64_t v = 0; v < n_vecs; v++)
            for (int64_t i = 0; i < n; i++)
                y[v * n + i] +=
                    w[v * w_stride + r] * cn_f16_to_f32(b[i / 32].d) * b[i / 32].q[i % 32];
    }
}

static void vec_to_f16_ref(int64_t n, const float *x, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = cn_f32_to_f16(x[i]);
}

static void vec_from_f16_ref(int64_t n_rows, int64_t n, const uint16_t *x, int64_t x_stride,
                             float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t i = 0; i < n; i++)
            y[r * y_stride + i] = cn_f16_to_f32(x[r * x_stride + i]);
}

static void vec_from_q8_0_ref(int64_t n_rows, int64_t n, const uint8_t *x, size_t row_bytes,
                              float *y, int64_t y_stride)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q8_0 *b = (const void *)(x + (size_t)r * row_bytes);
        for (int64_t i = 0; i < n; i++)
            y[r * y_stride + i] = cn_f16_to_f32(b[i / 32].d) * b[i / 32].q[i % 32];
    }
}

/* The mean of squares is summed in double, as the models' own code does. */
static void vec_rms_norm_ref(int64_t n, const float *x, const float *w, float eps, float *y)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    float scale = 1 / sqrtf((float)(sum / (double)n) + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale * w[i];
}

static void vec_silu_mul_ref(int64_t n, const float *gate, const float *up, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

static void vec_gelu_mul_ref(int64_t n, const float *gate, const float *up, float *y)
{
    const float sqrt_2_over_pi = 0.79788456080286535588f;
    for (int64_t i = 0; i < n; i++) {
        float x = gate[i];
        float g = 0.5f * x * (1 + tanhf(sqrt_2_over_pi * x * (1 + 0.044715f * x * x)));
        y[i] = up ? g * up[i] : g;
    }
}

static float vec_exp_sum_ref(int64_t n, float max, float *x)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - max);
        sum += x[i];
    }
    return sum;
}

static float vec_max_ref(int64_t n, const float *x)
{
    float top = x[0];
    for (int64_t i = 1; i < n; i++)
        top = fmaxf(top, x[i]);
    return top;
}

static void vec_softmax_lanes_ref(int64_t n, int n_lanes, float *p, float *max, float *sum,
                                  float *factor)
{
    enum { N = 16 };
    for (int l = 0; l < n_lanes; l++) {
        float top = max[l], more = 0;
        for (int64_t i = 0; i < n; i++)
            top = fmaxf(top, p[i * N + l]);
        factor[l] = top > max[l] ? expf(max[l] - top) : 1;
        max[l] = top;
        for (int64_t i = 0; i < n; i++) {
            p[i * N + l] = top == -INFINITY ? 0 : expf(p[i * N + l] - top);
            more += p[i * N + l];
        }
        sum[l] = sum[l] * factor[l] + more;
    }
}

static void vec_lane_products_ref(int64_t n_rows, int64_t n, int n_lanes, const float *a,
                                  int64_t row, int64_t step, const float *b, const float *factor,
                                  float *y)
{
    enum { N = 16 };
    for (int64_t r = 0; r < n_rows; r++)
        for (int l = 0; l < n_lanes; l++) {
            float sum = factor ? factor[l] * y[r * N + l] : 0;
            for (int64_t i = 0; i < n; i++)
                sum += a[r * row + i * step] * b[i * N + l];
            y[r * N + l] = sum;
        }
}

static void vec_conv_ref(const struct cn_conv *c)
{
    const int64_t last = c->n_taps - 1;
    for (int64_t t = 0; t < c->n_tokens; t++) {
        float *x = c->x + t * c->x_stride;
        for (int64_t i = 0; i < c->n_channels; i++) {
            float *state = c->state + i;
            const float *tap = c->taps + i;
            const float u = c->gate_in ? c->gate_in[t * c->x_stride + i] * x[i] : x[i];
            float sum = c->bias ? c->bias[i] : 0;
            for (int64_t j = 0; j < last; j++) {
                sum += tap[j * c->stride] * state[j * c->stride];
                state[j * c->stride] = j + 1 < last ? state[(j + 1) * c->stride] : u;
            }
            sum += tap[last * c->stride] * u;
            if (c->silu)
                sum = sum / (1 + expf(-sum));
            x[i] = c->gate_out ? sum * c->gate_out[t * c->x_stride + i] : sum;
        }
    }
}

static void vec_ssm_step_ref(int64_t n_groups, int64_t n, float decay, const float *x,
                             const float *b, const float *c, float *state, float *y)
{
    enum { N = 16 };
    for (int64_t g = 0; g < n_groups; g++, x += N, y += N) {
        for (int j = 0; j < N; j++)
            y[j] = 0;
        for (int64_t i = 0; i < n; i++, state += N)
            for (int j = 0; j < N; j++) {
                state[j] = decay * state[j] + b[i] * x[j];
                y[j] += c[i] * state[j];
            }
    }
}

static void vec_delta_step_ref(int64_t n_keys, int64_t n_values, float decay, float beta,
                               const float *q, const float *k, const float *v, float *state,
                               float *out)
{
    enum { N = 16 };
    for (int64_t i = 0; i < n_values; i++) {
        float *s = state + (i / N * n_keys) * N + i % N; /* row i of S, 16 floats apart */
        float seen = 0;
        for (int64_t j = 0; j < n_keys; j++)
            seen += s[j * N] * k[j];
        const float e = beta * (v[i] - decay * seen);
        out[i] = 0;
        for (int64_t j = 0; j < n_keys; j++) {
            s[j * N] = decay * s[j * N] + e * k[j];
            out[i] += s[j * N] * q[j];
        }
    }
}

const struct cn_vec cn_vec_ref = {
    .quantize_q8 = vec_quantize_q8_ref,
    .dot = vec_dot_ref,
    .dot_f16 = vec_dot_f16_ref,
    .axpy = vec_axpy_ref,
    .axpy_f16 = vec_axpy_f16_ref,
    .dots_f16 = vec_dots_f16_ref,
    .sums_f16 = vec_sums_f16_ref,
    .sums_q8_0 = vec_sums_q8_0_ref,
    .to_f16 = vec_to_f16_ref,
    .from_f16 = vec_from_f16_ref,
    .from_q8_0 = vec_from_q8_0_ref,
    .rms_norm = vec_rms_norm_ref,
    .silu_mul = vec_silu_mul_ref,
    .gelu_mul = vec_gelu_mul_ref,
    .exp_sum = vec_exp_sum_ref,
    .max = vec_max_ref,
    .softmax_lanes = vec_softmax_lanes_ref,
    .lane_products = vec_lane_products_ref,
    .conv = vec_conv_ref,
    .ssm_step = vec_ssm_step_ref,
    .delta_step = vec_delta_step_ref,
};

/* SPDX-License-Identifier: MIT */
#include "bench/kernel/state_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- conv ------------------------------------------------------------------------------------ */

enum { CONV_TOKENS = 6, CONV_PAD = 3, CONV_MOST = 1024 + CONV_PAD };

struct conv_case {
    struct cn_vec_case *v;
    struct cn_conv conv;
    /* The state and the rows before the call. */
    float state[CN_MAX_TAPS * CONV_MOST], x[CONV_TOKENS * CONV_MOST];
};

static void call_conv(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->conv(v->conv);
}

/* A random one of the forms that there are, the buffers flush against the end or the start. */
static void fill_conv(struct cn_vec_case *v, struct conv_case *k)
{
    struct cn_rng *rng = &v->c->rng;
    const int64_t n = v->n, taps = 1 + cn_rng_int(rng, CN_MAX_TAPS);
    const int64_t tokens = 1 + cn_rng_int(rng, CONV_TOKENS);
    const int64_t stride = n + cn_rng_int(rng, CONV_PAD), x_stride = n + cn_rng_int(rng, CONV_PAD);
    const int64_t cells = (tokens - 1) * x_stride + n;
    const unsigned form = (unsigned)cn_rng_int(rng, 16);
    float *const w = cn_case_floats(v, CN_BUF_W, (taps - 1) * stride + n);
    float *const bias = cn_case_floats(v, CN_BUF_D, n);
    float *const in = cn_case_floats(v, CN_BUF_SUM32, cells);
    float *const out = cn_case_floats(v, CN_BUF_SCRATCH, cells);
    k->conv = (struct cn_conv){ .n_channels = n,
                                .n_tokens = tokens,
                                .n_taps = taps,
                                .taps = w,
                                .state = cn_case_floats(v, CN_BUF_X, (taps - 1) * stride),
                                .stride = stride,
                                .bias = form & 1 ? bias : NULL,
                                .x = cn_case_floats(v, CN_BUF_OUT, cells),
                                .gate_in = form & 2 ? in : NULL,
                                .gate_out = form & 4 ? out : NULL,
                                .x_stride = x_stride,
                                .silu = form & 8 };
    if (v->c->out_of_memory)
        return;
    cn_case_fill(v, w, (taps - 1) * stride + n, false);
    cn_case_fill(v, bias, n, false);
    cn_case_fill(v, in, cells, false);
    cn_case_fill(v, out, cells, false);
    cn_case_fill(v, k->conv.state, (taps - 1) * stride, false);
    cn_case_fill(v, k->conv.x, cells, true);
    memcpy(k->state, k->conv.state, (size_t)((taps - 1) * stride) * sizeof *k->state);
    memcpy(k->x, k->conv.x, (size_t)cells * sizeof *k->x);
}

/* The input of a token; those before the first are in the state. */
static float conv_input(const struct conv_case *k, int64_t token, int64_t channel)
{
    const struct cn_conv *c = &k->conv;
    const int64_t at = token * c->x_stride + channel;
    if (token < 0)
        return k->state[(c->n_taps - 1 + token) * c->stride + channel];
    return c->gate_in ? c->gate_in[at] * k->x[at] : k->x[at];
}

static void compare_conv(struct cn_vec_case *v, const struct conv_case *k)
{
    const struct cn_conv *c = &k->conv;
    for (int64_t i = 0; i < c->n_tokens * c->n_channels; i++) {
        const int64_t t = i / c->n_channels, channel = i % c->n_channels;
        const int64_t at = t * c->x_stride + channel;
        double sum = c->bias ? (double)c->bias[channel] : 0, magnitude = fabs(sum), slack = 0;
        for (int64_t j = 0; j < c->n_taps; j++) {
            const double p = (double)c->taps[j * c->stride + channel] *
                             (double)conv_input(k, t - c->n_taps + 1 + j, channel);
            sum += p;
            magnitude += fabs(p);
        }
        double y = sum;
        if (c->silu) {
            y = sum / (1 + exp(-sum));
            slack = CN_EXP_BOUND * fabs(y) + CN_FLUSH * (1 + fabs(sum));
        }
        const double gate = c->gate_out ? (double)c->gate_out[at] : 1;
        /* The derivative of silu is below 1.1. */
        const double bound = (double)(c->n_taps + 3) * CN_EPS * 1.1 * magnitude + slack;
        cn_case_compare(v, at, c->x[at], y * gate, bound * fabs(gate) + CN_FLUSH,
                        magnitude * fabs(gate));
    }
    for (int64_t i = 0; i < (c->n_taps - 1) * c->n_channels; i++) {
        const int64_t j = i / c->n_channels, channel = i % c->n_channels;
        const float u = conv_input(k, c->n_tokens - c->n_taps + 1 + j, channel);
        if (!cn_same_float(c->state[j * c->stride + channel], u))
            cn_check_fail(v->result, "%s: the state of channel %lld is %a, expected %a", v->where,
                          (long long)channel, (double)c->state[j * c->stride + channel], (double)u);
    }
}

void cn_check_conv(struct cn_vec_case *v)
{
    struct conv_case *k = malloc(sizeof *k);
    if (!k) {
        v->result->no_memory = true;
        return;
    }
    fill_conv(v, k);
    v->conv = &k->conv;
    if (cn_case_call(v, call_conv))
        compare_conv(v, k);
    free(k);
}

/* ---- ssm_step -------------------------------------------------------------------------------- */

enum { SSM_GROUPS = 5, SSM_VALUES = 16, SSM_ROWS = 260 };

static void call_ssm_step(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->ssm_step(v->n_vecs, v->n, v->scalar, v->a, v->b, v->d, v->sum32, v->y);
}

void cn_check_ssm_step(struct cn_vec_case *v)
{
    static float before[SSM_GROUPS * SSM_ROWS * SSM_VALUES];
    v->n_vecs = 1 + cn_rng_int(&v->c->rng, SSM_GROUPS);
    v->n = v->n > SSM_ROWS ? SSM_ROWS : v->n;
    v->scalar = v->turn % 4 == 1 ? 0 : cn_rng_uniform_f32(&v->c->rng);
    const int64_t values = v->n_vecs * SSM_VALUES, cells = values * v->n;
    v->a = cn_case_floats(v, CN_BUF_X, values);
    v->b = cn_case_floats(v, CN_BUF_W, v->n);
    v->d = cn_case_floats(v, CN_BUF_D, v->n);
    v->sum32 = cn_case_floats(v, CN_BUF_SUM32, cells);
    v->y = cn_case_floats(v, CN_BUF_OUT, values);
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, values, true);
        cn_case_fill(v, v->b, v->n, false);
        cn_case_fill(v, v->d, v->n, false);
        cn_case_fill(v, v->sum32, cells, false);
        memcpy(before, v->sum32, (size_t)cells * sizeof *before);
    }
    if (!cn_case_call(v, call_ssm_step))
        return;
    for (int64_t k = 0; k < values; k++) {
        double sum = 0, magnitude = 0;
        for (int64_t i = 0; i < v->n; i++) {
            const int64_t at = (k / SSM_VALUES * v->n + i) * SSM_VALUES + k % SSM_VALUES;
            const double faded = (double)v->scalar * (double)before[at];
            const double added = (double)v->b[i] * (double)v->a[k];
            const double size = fabs(faded) + fabs(added), c = (double)v->d[i];
            cn_case_compare(v, at, v->sum32[at], faded + added, 3 * CN_EPS * size + 0x1p-149, size);
            sum += c * (faded + added);
            magnitude += fabs(c) * size;
        }
        cn_case_compare(v, k, v->y[k], sum, ((double)v->n + 8) * CN_EPS * magnitude + 0x1p-149,
                        magnitude);
    }
}

/* ---- delta_step ------------------------------------------------------------------------------ */

static void call_delta_step(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->delta_step(v->n, v->n_rows, v->scalar, v->sum, v->a, v->a + v->n, v->b, v->d, v->y);
}

/* Row i of the state is to be what it was, decayed and corrected; and its product with q. */
static void compare_delta_row(struct cn_vec_case *v, int64_t i, const float *before)
{
    enum { N = 16 };
    const int64_t n = v->n, at = i / N * n * N + i % N;
    const float *q = v->a, *k = q + n;
    const double decay = (double)v->scalar, beta = (double)v->sum;
    double seen = 0, size = fabs((double)v->b[i]), out = 0, out_size = 0, kq = 0;
    for (int64_t j = 0; j < n; j++) {
        const double p = decay * (double)before[at + j * N] * (double)k[j];
        seen += p;
        size += fabs(p);
        kq += fabs((double)k[j] * (double)q[j]);
    }
    const double e = beta * ((double)v->b[i] - seen);
    const double e_error = ((double)n + 12) * CN_EPS * fabs(beta) * size;
    for (int64_t j = 0; j < n; j++) {
        const double old = decay * (double)before[at + j * N], add = e * (double)k[j];
        const double mass = fabs(old) + fabs(add);
        cn_case_compare(v, at + j * N, v->d[at + j * N], old + add,
                        3 * CN_EPS * mass + e_error * fabs((double)k[j]) + CN_FLUSH, mass);
        out += (old + add) * (double)q[j];
        out_size += mass * fabs((double)q[j]);
    }
    cn_case_compare(v, i, v->y[i], out,
                    ((double)n + 12) * CN_EPS * out_size + 2 * e_error * kq + CN_FLUSH, out_size);
}

void cn_check_delta_step(struct cn_vec_case *v)
{
    enum { N = 16, MAX_GROUPS = 6, MAX_N = 1024 };
    static float before[MAX_GROUPS * N * MAX_N];
    v->n_rows = N * (1 + cn_rng_int(&v->c->rng, MAX_GROUPS));
    const int64_t cells = v->n_rows * v->n;
    v->a = cn_case_floats(v, CN_BUF_X, 2 * v->n);
    v->b = cn_case_floats(v, CN_BUF_W, v->n_rows);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_rows);
    v->d = cn_case_floats(v, CN_BUF_D, cells);
    v->scalar = cn_rng_uniform_f32(&v->c->rng); /* decay and beta */
    v->sum = cn_rng_uniform_f32(&v->c->rng);
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, 2 * v->n, true);
        cn_case_fill(v, v->b, v->n_rows, false);
        cn_case_fill(v, v->d, cells, false);
        memcpy(before, v->d, (size_t)cells * sizeof *before);
    }
    if (!cn_case_call(v, call_delta_step))
        return;
    for (int64_t i = 0; i < v->n_rows; i++)
        compare_delta_row(v, i, before);
}

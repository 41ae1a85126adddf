/* SPDX-License-Identifier: MIT
 *
 * The vector operations of a tier. Each slot has one function here that fills the inputs, calls it
 * and compares with double arithmetic or, where bits are promised, with the reference.
 */
#include "bench/kernel/state_check.h"
#include "bench/kernel/vec_case.h"
#include "quant/ref/q8_0.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- quantize_q8 ----------------------------------------------------------------------------- */

static void call_quantize(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->quantize_q8(v->n, v->a, v->q, v->d, v->sum32, v->sum16);
}

/* Fills one group of 32. */
static void fill_group(struct cn_rng *rng, int kind, float *x)
{
    float size = expf(3 * cn_rng_normal_f32(rng));
    int at = cn_rng_int(rng, 32);
    for (int i = 0; i < 32; i++) {
        float r = cn_rng_normal_f32(rng);
        x[i] = kind == 1   ? (float)(cn_rng_int(rng, 253) - 126) + 0.5f /* ties: d will be 1 */
               : kind == 2 ? (float)(cn_rng_int(rng, 508) - 254) * 0.25f * size
               : kind == 3 ? r * 0x1p-124f /* around the smallest scale that counts */
               : kind == 4 ? r * 0x1p-140f
               : kind == 5 ? r * 0x1p125f
               : kind == 6 ? (cn_rng_int(rng, 2) ? size : -size)
               : kind == 7 ? 0.0f * r
                           : r * size;
    }
    if (kind == 1)
        x[at] = cn_rng_int(rng, 2) ? 127 : -127;
    if (kind == 8)
        x[at] = NAN;
    if (kind == 9)
        x[at] = cn_rng_int(rng, 2) ? INFINITY : -INFINITY;
    if (kind == 10) /* one ulp either side of a tie, as the scale sees it */
        for (int i = 0; i < 32; i++)
            x[i] = nextafterf(((float)cn_rng_int(rng, 126) + 0.5f) * (size / 127),
                              cn_rng_int(rng, 2) ? 0 : INFINITY);
    if (kind == 10)
        x[at] = size;
}

static void check_quantize(struct cn_vec_case *v)
{
    enum { N_KINDS = 11, MAX_N = 1024 };
    static int8_t q[MAX_N];
    static float d[MAX_N / 32], sum32[MAX_N / 32];
    static int16_t sum16[MAX_N / 16];
    v->n = v->n * 32 > MAX_N ? MAX_N : v->n * 32;
    const size_t n = (size_t)v->n;
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    v->q = cn_check_take(v->c, CN_BUF_Q, n, v->place);
    v->d = cn_case_floats(v, CN_BUF_D, v->n / 32);
    v->sum32 = cn_case_floats(v, CN_BUF_SUM32, v->n / 32);
    v->sum16 = cn_check_take(v->c, CN_BUF_SUM16, n / 16 * sizeof(int16_t), v->place);
    for (int64_t g = 0; !v->c->out_of_memory && g < v->n / 32; g++)
        fill_group(&v->c->rng, (int)((v->turn + (unsigned)g) % N_KINDS), v->a + 32 * g);
    if (!cn_case_call(v, call_quantize))
        return;
    v->ref->quantize_q8(v->n, v->a, q, d, sum32, sum16);
    for (int64_t i = 0; i < v->n; i++)
        if (v->q[i] != q[i]) {
            cn_check_fail(v->result, "%s: q of element %lld (%a, scale %a) is %d, expected %d",
                          v->where, (long long)i, (double)v->a[i], (double)d[i / 32], v->q[i],
                          q[i]);
            return;
        }
    for (int64_t i = 0; i < v->n / 16; i++)
        if (!cn_same_float(v->d[i / 2], d[i / 2]) ||
            !cn_same_float(v->sum32[i / 2], sum32[i / 2]) || v->sum16[i] != sum16[i]) {
            cn_check_fail(
                v->result, "%s: group %lld has d %a, sum32 %a, sum16 %d; expected %a, %a, %d",
                v->where, (long long)(i / 2), (double)v->d[i / 2], (double)v->sum32[i / 2],
                v->sum16[i], (double)d[i / 2], (double)sum32[i / 2], sum16[i]);
            return;
        }
}

/* ---- dot, axpy and their halves -------------------------------------------------------------- */

static void fill_halves(struct cn_vec_case *v, uint16_t *h, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = (uint32_t)(cn_rng_next(&v->c->rng) >> 32);
        h[i] = (uint16_t)(r % 8 ? (r >> 16 & 0x83ff) | (0x2000 + r % 0x2400)
                                : r >> 16 & 0x83ff); /* or subnormal */
    }
}

static void call_dot(void *arg)
{
    struct cn_vec_case *v = arg;
    v->sum = v->h ? v->vec->dot_f16(v->n, v->a, v->h) : v->vec->dot(v->n, v->a, v->b);
}

static void check_any_dot(struct cn_vec_case *v, bool half)
{
    double sum = 0, magnitude = 0;
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    if (half)
        v->h = cn_check_take(v->c, CN_BUF_W, (size_t)v->n * sizeof *v->h, v->place);
    else
        v->b = cn_case_floats(v, CN_BUF_W, v->n);
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, v->n, true);
        if (half)
            fill_halves(v, v->h, v->n);
        else
            cn_case_fill(v, v->b, v->n, false);
    }
    if (!cn_case_call(v, call_dot))
        return;
    for (int64_t i = 0; i < v->n; i++) {
        double p = (double)v->a[i] * (double)(half ? cn_f16_to_f32(v->h[i]) : v->b[i]);
        sum += p;
        magnitude += fabs(p);
    }
    cn_case_compare(v, 0, v->sum, sum, ((double)v->n + 8) * CN_EPS * magnitude, magnitude);
}

static void check_dot(struct cn_vec_case *v)
{
    check_any_dot(v, false);
}

static void check_dot_f16(struct cn_vec_case *v)
{
    check_any_dot(v, true);
}

static void call_axpy(void *arg)
{
    struct cn_vec_case *v = arg;
    if (v->h)
        v->vec->axpy_f16(v->n, v->scalar, v->h, v->y);
    else
        v->vec->axpy(v->n, v->scalar, v->a, v->y);
}

static void check_any_axpy(struct cn_vec_case *v, bool half)
{
    enum { MAX_N = 1024 };
    static float before[MAX_N];
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n);
    if (half)
        v->h = cn_check_take(v->c, CN_BUF_W, (size_t)v->n * sizeof *v->h, v->place);
    else
        v->a = cn_case_floats(v, CN_BUF_X, v->n);
    v->scalar = cn_rng_normal_f32(&v->c->rng);
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->y, v->n, false);
        memcpy(before, v->y, (size_t)v->n * sizeof *before);
        if (half)
            fill_halves(v, v->h, v->n);
        else
            cn_case_fill(v, v->a, v->n, true);
    }
    if (!cn_case_call(v, call_axpy))
        return;
    for (int64_t i = 0; i < v->n; i++) {
        double p = (double)v->scalar * (double)(half ? cn_f16_to_f32(v->h[i]) : v->a[i]);
        double magnitude = fabs(p) + fabs((double)before[i]);
        cn_case_compare(v, i, v->y[i], (double)before[i] + p, 2 * CN_EPS * magnitude + 0x1p-149,
                        magnitude);
    }
}

static void check_axpy(struct cn_vec_case *v)
{
    check_any_axpy(v, false);
}

static void check_axpy_f16(struct cn_vec_case *v)
{
    check_any_axpy(v, true);
}

/* Rows of halves: their products with vectors, their weighted sums. */
static void call_dots_f16(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->dots_f16(v->n_vecs, v->n_rows, v->n, v->a, v->h, v->stride, v->y, v->n_rows);
}

static void call_sums_f16(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->sums_f16(v->n_vecs, v->n_rows, v->n, v->a, v->n_rows, v->h, v->stride, v->y);
}

static void check_rows_f16(struct cn_vec_case *v, bool dots)
{
    enum { MAX_ROWS = 21, MAX_VECS = 6, MAX_CELLS = 8 * 1024 };
    static float before[MAX_CELLS];
    v->n_vecs = 1 + cn_rng_int(&v->c->rng, MAX_VECS);
    v->n_rows = 1 + cn_rng_int(&v->c->rng, MAX_ROWS);
    v->stride = v->n + cn_rng_int(&v->c->rng, 3);
    const int64_t inner = dots ? v->n : v->n_rows, outer = dots ? v->n_rows : v->n;
    const int64_t n_h = (v->n_rows - 1) * v->stride + v->n;
    v->a = cn_case_floats(v, CN_BUF_X, v->n_vecs * inner);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_vecs * outer);
    v->h = cn_check_take(v->c, CN_BUF_W, (size_t)n_h * sizeof *v->h, v->place);
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, v->n_vecs * inner, true);
        cn_case_fill(v, v->y, v->n_vecs * outer, false);
        memcpy(before, v->y, (size_t)(v->n_vecs * outer) * sizeof *before);
        fill_halves(v, v->h, n_h);
    }
    if (!cn_case_call(v, dots ? call_dots_f16 : call_sums_f16))
        return;
    for (int64_t k = 0; k < v->n_vecs * outer; k++) {
        double sum = dots ? 0 : (double)before[k], magnitude = fabs(sum);
        const float *a = v->a + k / outer * inner;
        for (int64_t j = 0; j < inner; j++) {
            const int64_t i = k % outer;
            const uint16_t h = dots ? v->h[i * v->stride + j] : v->h[j * v->stride + i];
            double p = (double)a[j] * (double)cn_f16_to_f32(h);
            sum += p;
            magnitude += fabs(p);
        }
        cn_case_compare(v, k, v->y[k], sum, ((double)inner + 8) * CN_EPS * magnitude + 0x1p-149,
                        magnitude);
    }
}

static void check_dots_f16(struct cn_vec_case *v)
{
    check_rows_f16(v, true);
}

static void check_sums_f16(struct cn_vec_case *v)
{
    check_rows_f16(v, false);
}

static void call_sums_q8_0(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->sums_q8_0(v->n_vecs, v->n_rows, v->n, v->a, v->n_rows, (const uint8_t *)v->q,
                      (size_t)v->stride, v->y);
}

/* Rows of blocks: their weighted sums. */
static void check_sums_q8_0(struct cn_vec_case *v)
{
    enum { MAX_ROWS = 140, MAX_VECS = 6, MAX_N = 256, BLOCK = 32 };
    static float before[MAX_VECS * MAX_N];
    v->n = v->n * BLOCK > MAX_N ? MAX_N : v->n * BLOCK;
    v->n_vecs = 1 + cn_rng_int(&v->c->rng, MAX_VECS);
    v->n_rows = 1 + cn_rng_int(&v->c->rng, v->turn % 4 ? 9 : MAX_ROWS);
    v->stride = v->n / BLOCK * (int64_t)sizeof(struct cn_block_q8_0);
    v->a = cn_case_floats(v, CN_BUF_X, v->n_vecs * v->n_rows);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_vecs * v->n);
    v->q = cn_check_take(v->c, CN_BUF_W, (size_t)(v->n_rows * v->stride), v->place);
    struct cn_block_q8_0 *blocks = (struct cn_block_q8_0 *)(void *)v->q;
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, v->n_vecs * v->n_rows, true);
        cn_case_fill(v, v->y, v->n_vecs * v->n, false);
        memcpy(before, v->y, (size_t)(v->n_vecs * v->n) * sizeof *before);
        for (int64_t i = 0; i < v->n_rows * v->n / BLOCK; i++) {
            fill_halves(v, &blocks[i].d, 1);
            for (int j = 0; j < BLOCK; j++) /* any byte, -128 too */
                blocks[i].q[j] = (int8_t)(cn_rng_int(&v->c->rng, 256) - 128);
        }
    }
    if (!cn_case_call(v, call_sums_q8_0))
        return;
    for (int64_t k = 0; k < v->n_vecs * v->n; k++) {
        double sum = (double)before[k], magnitude = fabs(sum);
        for (int64_t r = 0; r < v->n_rows; r++) {
            const int64_t i = k % v->n;
            const struct cn_block_q8_0 *b = &blocks[(r * v->n + i) / BLOCK];
            double p = (double)v->a[k / v->n * v->n_rows + r] * (double)cn_f16_to_f32(b->d) *
                       b->q[i % BLOCK];
            sum += p;
            magnitude += fabs(p);
        }
        /* A weight times a scale is rounded, and may be too small for a normal float. */
        cn_case_compare(v, k, v->y[k], sum,
                        ((double)v->n_rows + 8) * CN_EPS * magnitude +
                            (double)v->n_rows * 128 * 0x1p-149,
                        magnitude);
    }
}

static void call_to_f16(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->to_f16(v->n, v->a, v->h);
}

static void check_to_f16(struct cn_vec_case *v)
{
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    v->h = cn_check_take(v->c, CN_BUF_OUT, (size_t)v->n * sizeof *v->h, v->place);
    for (int64_t i = 0; !v->c->out_of_memory && i < v->n; i++) {
        uint32_t r = (uint32_t)(cn_rng_next(&v->c->rng) >> 32);
        float x = cn_f16_to_f32((uint16_t)r);
        if (v->turn % 3 == 1) { /* any bits */
            memcpy(&x, &r, sizeof x);
        } else if (v->turn % 3 == 2) { /* half-way between two halves, and beside that */
            float next = cn_f16_to_f32((uint16_t)(r + 1));
            x = 0.5f * x + 0.5f * next;
            x = r >> 16 & 1 ? nextafterf(x, r >> 17 & 1 ? INFINITY : -INFINITY) : x;
        }
        v->a[i] = x;
    }
    if (!cn_case_call(v, call_to_f16))
        return;
    for (int64_t i = 0; i < v->n; i++) {
        uint16_t expected = cn_f32_to_f16(v->a[i]);
        if (v->h[i] == expected || (isnan(v->a[i]) && isnan(cn_f16_to_f32(v->h[i]))))
            continue;
        cn_check_fail(v->result, "%s: %a becomes %#06x, expected %#06x", v->where, (double)v->a[i],
                      v->h[i], expected);
        return;
    }
}

static void call_from_f16(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->from_f16(v->n_rows, v->n, v->h, v->stride, v->y, v->n);
}

static void call_from_q8_0(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->from_q8_0(v->n_rows, v->n, (const uint8_t *)v->q, (size_t)v->stride, v->y, v->n);
}

static void compare_exactly(struct cn_vec_case *v, int64_t i, float expected)
{
    if (!cn_same_float(v->y[i], expected))
        cn_check_fail(v->result, "%s: element %lld is %a, expected %a", v->where, (long long)i,
                      (double)v->y[i], (double)expected);
}

/* Any bits. */
static void check_from_f16(struct cn_vec_case *v)
{
    v->n_rows = 1 + cn_rng_int(&v->c->rng, 4);
    v->stride = v->n + cn_rng_int(&v->c->rng, 3);
    const int64_t n_h = (v->n_rows - 1) * v->stride + v->n;
    v->h = cn_check_take(v->c, CN_BUF_X, (size_t)n_h * sizeof *v->h, v->place);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_rows * v->n);
    for (int64_t i = 0; !v->c->out_of_memory && i < n_h; i++)
        v->h[i] = (uint16_t)(cn_rng_next(&v->c->rng) >> 32);
    if (!cn_case_call(v, call_from_f16))
        return;
    for (int64_t i = 0; i < v->n_rows * v->n; i++)
        compare_exactly(v, i, cn_f16_to_f32(v->h[i / v->n * v->stride + i % v->n]));
}

static void check_from_q8_0(struct cn_vec_case *v)
{
    enum { MAX_N = 256, BLOCK = 32 };
    v->n = v->n * BLOCK > MAX_N ? MAX_N : v->n * BLOCK;
    v->n_rows = 1 + cn_rng_int(&v->c->rng, 4);
    const int64_t n_blocks = v->n_rows * v->n / BLOCK;
    v->stride = v->n / BLOCK * (int64_t)sizeof(struct cn_block_q8_0);
    v->q = cn_check_take(v->c, CN_BUF_X, (size_t)(v->n_rows * v->stride), v->place);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_rows * v->n);
    struct cn_block_q8_0 *blocks = (struct cn_block_q8_0 *)(void *)v->q;
    for (int64_t i = 0; !v->c->out_of_memory && i < n_blocks; i++) {
        fill_halves(v, &blocks[i].d, 1);
        for (int j = 0; j < BLOCK; j++)
            blocks[i].q[j] = (int8_t)(cn_rng_int(&v->c->rng, 256) - 128);
    }
    if (!cn_case_call(v, call_from_q8_0))
        return;
    for (int64_t i = 0; i < n_blocks * BLOCK; i++)
        compare_exactly(v, i, cn_f16_to_f32(blocks[i / BLOCK].d) * blocks[i / BLOCK].q[i % BLOCK]);
}

/* ---- norm and activation functions ----------------------------------------------------------- */

/* The input of an elementwise slot that may write over it: y is a copy when the case says so. */
static void prepare_in_place(struct cn_vec_case *v)
{
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n);
    v->in_place = v->turn % 2;
    if (v->in_place && !v->c->out_of_memory)
        memcpy(v->y, v->a, (size_t)v->n * sizeof *v->y);
}

static const float *input(const struct cn_vec_case *v)
{
    return v->in_place ? v->y : v->a;
}

static void call_rms_norm(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->rms_norm(v->n, input(v), v->b, v->scalar, v->y);
}

static void check_rms_norm(struct cn_vec_case *v)
{
    double sum = 0;
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    v->b = cn_case_floats(v, CN_BUF_W, v->n);
    v->scalar = v->turn % 5 == 4 ? 1e-6f : 1e-5f;
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, v->n, true);
        cn_case_fill(v, v->b, v->n, false);
    }
    prepare_in_place(v);
    if (!cn_case_call(v, call_rms_norm))
        return;
    for (int64_t i = 0; i < v->n; i++)
        sum += (double)v->a[i] * (double)v->a[i];
    /* Roundings: mean, + eps, square root, reciprocal, two products; the mean itself in double. */
    double scale = 1 / sqrt(sum / (double)v->n + (double)v->scalar);
    for (int64_t i = 0; i < v->n; i++) {
        double y = (double)v->a[i] * scale * (double)v->b[i];
        cn_case_compare(v, i, v->y[i], y, 6 * CN_EPS * fabs(y) + CN_FLUSH, fabs(y));
    }
}

/* From far below where exp underflows to far above where it overflows. */
static void fill_arguments(struct cn_vec_case *v, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float r = cn_rng_normal_f32(&v->c->rng);
        x[i] = v->turn % 4 == 0   ? 3 * r
               : v->turn % 4 == 1 ? 40 * r
               : v->turn % 4 == 2 ? 0.01f * r
                                  : 120 * r;
    }
    if (n > 0 && v->turn % 7 == 3)
        x[cn_rng_int(&v->c->rng, (int)n)] = NAN;
    if (n > 1 && v->turn % 7 == 5)
        x[cn_rng_int(&v->c->rng, (int)n)] = -0.0f;
}

static void call_silu(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->silu_mul(v->n, input(v), v->b, v->y);
}

static void check_silu_mul(struct cn_vec_case *v)
{
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    v->b = cn_case_floats(v, CN_BUF_W, v->n);
    if (!v->c->out_of_memory) {
        fill_arguments(v, v->a, v->n);
        cn_case_fill(v, v->b, v->n, false);
    }
    prepare_in_place(v);
    if (!cn_case_call(v, call_silu))
        return;
    for (int64_t i = 0; i < v->n; i++) {
        double x = (double)v->a[i], u = (double)v->b[i], y = x / (1 + exp(-x)) * u;
        /* Where e^-x overflows, a float quotient is 0 and the true one below |x| * 2^-127. */
        cn_case_compare(v, i, v->y[i], y, CN_EXP_BOUND * fabs(y) + CN_FLUSH * (1 + fabs(x * u)),
                        fabs(y));
    }
}

static void call_gelu(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->gelu_mul(v->n, input(v), v->b, v->y);
}

static void check_gelu_mul(struct cn_vec_case *v)
{
    bool with_up = v->turn % 3 != 2;
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    v->b = with_up ? cn_case_floats(v, CN_BUF_W, v->n) : NULL;
    if (!v->c->out_of_memory) {
        fill_arguments(v, v->a, v->n);
        if (with_up)
            cn_case_fill(v, v->b, v->n, false);
    }
    prepare_in_place(v);
    if (!cn_case_call(v, call_gelu))
        return;
    for (int64_t i = 0; i < v->n; i++) {
        double x = (double)v->a[i], u = with_up ? (double)v->b[i] : 1;
        double z = 0.79788456080286535588 * x * (1 + 0.044715 * x * x);
        double y = 0.5 * x * (1 + tanh(z)) * u;
        /* 1 + tanh cancels for x < 0: the error scales with |x|, not with the result. */
        cn_case_compare(v, i, v->y[i], y, CN_EXP_BOUND * fabs(x * u) + CN_FLUSH, fabs(x * u));
    }
}

static void call_exp_sum(void *arg)
{
    struct cn_vec_case *v = arg;
    v->sum = v->vec->exp_sum(v->n, v->scalar, v->y);
}

static void check_exp_sum(struct cn_vec_case *v)
{
    enum { MAX_N = 1024 };
    static float before[MAX_N];
    double sum = 0;
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n);
    v->scalar = 20 * cn_rng_normal_f32(&v->c->rng);
    if (!v->c->out_of_memory) {
        fill_arguments(v, v->y, v->n);
        for (int64_t i = 0; i < v->n; i++) {
            v->y[i] = v->scalar - fabsf(v->y[i]); /* max is the largest, as in a softmax */
            if (i && v->turn % 5 == 2 && i % 3 == 0)
                v->y[i] = -INFINITY; /* a masked position */
        }
        memcpy(before, v->y, (size_t)v->n * sizeof *before);
    }
    if (!cn_case_call(v, call_exp_sum))
        return;
    for (int64_t i = 0; i < v->n; i++) {
        double e = exp((double)(before[i] - v->scalar));
        cn_case_compare(v, i, v->y[i], e, CN_EXP_BOUND * e + CN_FLUSH, e);
        if (isinf(before[i]) && v->y[i] != 0)
            cn_check_fail(v->result, "%s: exp(-inf) is %g", v->where, (double)v->y[i]);
        sum += (double)v->y[i];
    }
    cn_case_compare(v, v->n, v->sum, sum, ((double)v->n + 8) * CN_EPS * sum + CN_FLUSH, sum);
}

static void call_max(void *arg)
{
    struct cn_vec_case *v = arg;
    v->sum = v->vec->max(v->n, v->a);
}

static void check_max(struct cn_vec_case *v)
{
    if (v->n == 0)
        return;
    v->a = cn_case_floats(v, CN_BUF_X, v->n);
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, v->n, false);
        for (int64_t i = 0; i < v->n && v->turn % 2; i++)
            v->a[i] = -fabsf(v->a[i]) - (i % 3 ? 1 : INFINITY);
    }
    if (!cn_case_call(v, call_max))
        return;
    float top = v->a[0];
    for (int64_t i = 1; i < v->n; i++)
        top = v->a[i] > top ? v->a[i] : top;
    if (v->sum != top)
        cn_check_fail(v->result, "%s: %g, expected %g", v->where, (double)v->sum, (double)top);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

enum { LANES = 16 };

/* Lanes that do not count hold NaN. */
static void spoil_lanes(struct cn_vec_case *v, float *x, int64_t n)
{
    for (int64_t i = 0; i < n * LANES; i++)
        if (i % LANES >= v->n_vecs)
            x[i] = NAN;
}

static void call_lane_products(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->lane_products(v->n_rows, v->n, (int)v->n_vecs, v->a, v->stride < 0 ? 1 : v->stride,
                          v->stride < 0 ? -v->stride : 1, v->b, v->d, v->y);
}

/* stride < 0: of the steps, not of the rows. */
static void check_lane_products(struct cn_vec_case *v)
{
    enum { MAX_ROWS = 40, MAX_N = 300 };
    static float before[MAX_ROWS * LANES];
    float factor[LANES];
    v->n = v->n > MAX_N ? MAX_N : v->n;
    v->n_vecs = 1 + cn_rng_int(&v->c->rng, LANES);
    v->n_rows = 1 + cn_rng_int(&v->c->rng, MAX_ROWS);
    const bool turned = v->turn & 1;
    const int64_t inner = turned ? v->n_rows : v->n, outer = turned ? v->n : v->n_rows;
    const int64_t apart = inner + cn_rng_int(&v->c->rng, 3);
    v->stride = turned ? -apart : apart;
    const int64_t n_a = outer > 0 ? (outer - 1) * apart + inner : 0;
    v->a = cn_case_floats(v, CN_BUF_X, n_a);
    v->b = cn_case_floats(v, CN_BUF_W, v->n * LANES);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_rows * LANES);
    v->d = v->turn & 2 ? factor : NULL;
    if (!v->c->out_of_memory) {
        cn_case_fill(v, v->a, n_a, true);
        cn_case_fill(v, v->b, v->n * LANES, false);
        cn_case_fill(v, factor, LANES, false);
        cn_case_fill(v, v->y, v->n_rows * LANES, false);
        spoil_lanes(v, v->b, v->n);
        spoil_lanes(v, factor, 1);
        memcpy(before, v->y, (size_t)(v->n_rows * LANES) * sizeof *before);
        for (int64_t i = 0; !v->d && i < v->n_rows * LANES; i++)
            v->y[i] = NAN;
    }
    if (!cn_case_call(v, call_lane_products))
        return;
    for (int64_t k = 0; k < v->n_rows * LANES; k++) {
        const int64_t r = k / LANES, l = k % LANES;
        double sum = v->d ? (double)factor[l] * (double)before[k] : 0, magnitude = fabs(sum);
        for (int64_t i = 0; i < v->n; i++) {
            double p =
                (double)v->a[turned ? i * apart + r : r * apart + i] * (double)v->b[i * LANES + l];
            sum += p;
            magnitude += fabs(p);
        }
        if (l < v->n_vecs)
            cn_case_compare(v, k, v->y[k], sum, ((double)v->n + 8) * CN_EPS * magnitude + 0x1p-149,
                            magnitude);
    }
}

static void call_softmax(void *arg)
{
    struct cn_vec_case *v = arg;
    v->vec->softmax_lanes(v->n_rows, (int)v->n_vecs, v->y, v->a, v->b, v->d);
}

/* Some scores, all of some lanes and some running maxima are -infinity. */
static void check_softmax_lanes(struct cn_vec_case *v)
{
    enum { MAX_ROWS = 80 };
    static float scores[MAX_ROWS * LANES];
    float max[LANES], sum[LANES], factor[LANES];
    v->n_rows = 1 + cn_rng_int(&v->c->rng, MAX_ROWS);
    v->n_vecs = 1 + cn_rng_int(&v->c->rng, LANES);
    v->y = cn_case_floats(v, CN_BUF_OUT, v->n_rows * LANES);
    v->a = cn_case_floats(v, CN_BUF_X, LANES);
    v->b = cn_case_floats(v, CN_BUF_W, LANES);
    v->d = factor;
    if (!v->c->out_of_memory)
        for (int l = 0; l < LANES; l++) {
            bool blank = cn_rng_int(&v->c->rng, 4) == 0, fresh = cn_rng_int(&v->c->rng, 3) == 0;
            v->a[l] = max[l] = fresh ? -INFINITY : 5 * cn_rng_normal_f32(&v->c->rng);
            v->b[l] = sum[l] = fresh ? 0 : 1 + 10 * cn_rng_uniform_f32(&v->c->rng);
            for (int64_t at = l; at < v->n_rows * LANES; at += LANES) {
                bool hidden = blank || cn_rng_int(&v->c->rng, 5) == 0;
                v->y[at] = scores[at] = hidden ? -INFINITY : 8 * cn_rng_normal_f32(&v->c->rng);
            }
        }
    if (!v->c->out_of_memory)
        spoil_lanes(v, v->y, v->n_rows);
    if (!cn_case_call(v, call_softmax))
        return;
    for (int l = 0; l < v->n_vecs; l++) {
        double top = (double)max[l], total;
        for (int64_t at = l; at < v->n_rows * LANES; at += LANES)
            top = fmax(top, (double)scores[at]);
        double f = top > (double)max[l] ? exp((double)max[l] - top) : 1;
        total = (double)sum[l] * f;
        /* Infinities cannot be subtracted: a lane that has seen no key stays at one. */
        if (isinf(top))
            cn_case_compare(v, l, v->a[l] == -INFINITY ? 0 : 1, 0, 0, 1);
        else
            cn_case_compare(v, l, v->a[l], top, 0, 1);
        if (f > 0)
            cn_case_compare(
                v, l, factor[l], f,
                (0x1p-20 + 4 * CN_EPS * (fabs((double)max[l]) + fabs(top))) * f + 0x1p-126, 1);
        else
            cn_case_compare(v, l, factor[l], 0, 0, 1);
        for (int64_t at = l; at < v->n_rows * LANES; at += LANES) {
            double e = isinf(top) ? 0 : exp((double)scores[at] - top);
            total += e;
            /* The argument is rounded before it is raised. */
            double slack = (0x1p-20 + 4 * CN_EPS * (fabs((double)scores[at]) + fabs(top))) * e;
            cn_case_compare(v, at, v->y[at], e, e > 0 ? slack + 0x1p-126 : 0, 1);
        }
        cn_case_compare(v, l, v->b[l], total, 0x1p-17 * total + 0x1p-120, 1);
    }
}

/* ---- the slots ------------------------------------------------------------------------------- */

/* In the order of struct cn_vec. */
static const struct {
    const char *name;
    void (*check)(struct cn_vec_case *v);
} slots[] = {
    {"quantize_q8",    check_quantize     },
    { "dot",           check_dot          },
    { "dot_f16",       check_dot_f16      },
    { "axpy",          check_axpy         },
    { "axpy_f16",      check_axpy_f16     },
    { "dots_f16",      check_dots_f16     },
    { "sums_f16",      check_sums_f16     },
    { "sums_q8_0",     check_sums_q8_0    },
    { "to_f16",        check_to_f16       },
    { "from_f16",      check_from_f16     },
    { "from_q8_0",     check_from_q8_0    },
    { "rms_norm",      check_rms_norm     },
    { "silu_mul",      check_silu_mul     },
    { "gelu_mul",      check_gelu_mul     },
    { "exp_sum",       check_exp_sum      },
    { "max",           check_max          },
    { "lane_products", check_lane_products},
    { "softmax_lanes", check_softmax_lanes},
    { "conv",          cn_check_conv      },
    { "ssm_step",      cn_check_ssm_step  },
    { "delta_step",    cn_check_delta_step},
};
_Static_assert(sizeof slots / sizeof *slots == CN_N_VEC_SLOTS, "a check for every slot");

const char *cn_vec_slot_name(int slot)
{
    return slots[slot].name;
}

void cn_check_vec(struct cn_checker *c, const struct cn_vec *vec, int slot, struct cn_check *result)
{
    static const int sizes[] = { 0,  1,  2,  3,   4,   5,   6,   7,   8,   9,   10,  11, 12,
                                 13, 14, 15, 16,  17,  23,  24,  25,  31,  32,  33,  40, 47,
                                 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 1000 };
    enum { ROUNDS = 20 };
    *result = (struct cn_check){ 0 };
    c->rng.state = c->seed + 31u * (unsigned)slot;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (unsigned turn = 0; turn < ROUNDS; turn++)
            for (int place = 0; place < CN_N_PLACES; place++) {
                char where[80];
                struct cn_vec_case v = { .vec = vec,
                                         .ref = c->ref,
                                         .c = c,
                                         .result = result,
                                         .n = sizes[s],
                                         .place = (enum cn_place)place,
                                         .turn = turn + (unsigned)s,
                                         .where = where };
                snprintf(where, sizeof where, "n %d%s, case %u, buffers at the %s", sizes[s],
                         slot == 0 ? " groups" : "", v.turn,
                         place == CN_PLACE_END ? "end" : "start");
                int64_t failed = result->n_failed;
                slots[slot].check(&v);
                /* A slot that crashes does so in every case. */
                if (result->n_failed > failed + 100 ||
                    (result->n_failed > failed && strstr(result->what, "SIG")))
                    goto done;
            }
done:
    if (result->n_failed && result->max_error <= result->bound)
        result->max_error = HUGE_VAL;
}

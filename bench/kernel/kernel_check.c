/* SPDX-License-Identifier: MIT */
#include "bench/kernel/kernel_check.h"

#include "bench/kernel/blas.h"
#include "bench/kernel/blocked_check.h"
#include "bench/kernel/checker.h"

#include "quant/gemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cn_job_name(enum cn_job job)
{
    static const char *const names[CN_N_JOBS] = { "gemv",       "unpack",    "gemm",
                                                  "gemm_small", "gemm_fast", "dequantize" };
    return names[job];
}

int cn_kernel_sets(const struct cn_format *format, uint32_t tiers, struct cn_kernel_set *sets)
{
    int n = 0;
    for (int tier = 0; tier < CN_N_TIERS; tier++) {
        if (tier != CN_TIER_REF && !(tiers >> tier & 1))
            continue;
        const uint32_t mask = (tiers | 1u << CN_TIER_REF) & ((2u << tier) - 1);
        struct cn_kernel_set *s = &sets[n], *below = n ? &sets[n - 1] : NULL;
        *s = (struct cn_kernel_set){ .tier = (enum cn_tier)tier,
                                     .kernels = cn_kernels_for(format, mask),
                                     .ops = cn_ops_for(mask) };
        bool unpack = !below || s->kernels.unpack != below->kernels.unpack;
        s->own[CN_JOB_GEMV] = !below || s->kernels.gemv != below->kernels.gemv;
        s->own[CN_JOB_UNPACK] = s->own[CN_JOB_DEQUANTIZE] = unpack;
        s->own[CN_JOB_GEMM] = unpack || s->ops.gemm != below->ops.gemm;
        s->own[CN_JOB_GEMM_SMALL] = !below || (cn_gemm_has_small(s->ops.gemm, &s->kernels) &&
                                               (s->own[CN_JOB_GEMV] || s->own[CN_JOB_GEMM]));
        s->own[CN_JOB_GEMM_FAST] =
            s->own[CN_JOB_GEMM] && format->act == CN_ACT_Q8 && cn_gemm_has_fast(s->ops.gemm);
        n++;
    }
    return n;
}

/* ---- expected products ----------------------------------------------------------------------- */

double cn_product_bound(const struct cn_format *format, int64_t n_cols, double magnitude,
                        double row_scale)
{
    const struct cn_panel *panel = &format->ref->kernels.panel;
    const double eps = 0x1p-24, smallest = 0x1p-149;
    if (!panel->sub)
        return ((double)n_cols + 8) * eps * magnitude + (double)n_cols * smallest;
    double groups = (double)n_cols / 32;
    double largest = 127.0 * 32 * 127 * panel->code_max * fmax(1, row_scale);
    return (groups + 8) * eps * magnitude + groups * smallest * largest;
}

/* A row as its format defines it. */
struct row {
    float *w;     /* [n_cols] */
    float *reach; /* [n_cols]: |scale| * code_max + |min|, or |w| */
    double scale; /* |what the header says| */
    bool huge;    /* scale times a group's integer product may be beyond floats */
};

static size_t padded_bytes(int64_t n_cols)
{
    return (size_t)(n_cols + CN_CHUNK) * sizeof(float);
}

/* tmp: padded_bytes(n_cols) for codes, then n_cols / 8 floats. */
static void define_row(const struct cn_format *f, int64_t n_cols, const void *bytes, void *tmp,
                       struct row *row)
{
    const struct cn_kernels k = cn_kernels_for(f, 1u << CN_TIER_REF);
    f->ref->dequantize(n_cols, bytes, row->w);
    row->scale = fabs((double)cn_row_scale(f->header_bytes, bytes));
    row->huge = false;
    if (!k.panel.sub) {
        for (int64_t c = 0; c < n_cols; c++)
            row->reach[c] = fabsf(row->w[c]);
        return;
    }
    float *scale = (float *)(void *)((uint8_t *)tmp + padded_bytes(n_cols));
    float *min = scale + n_cols / 16;
    cn_unpack_columns(&k, bytes, f->header_bytes, n_cols, tmp, CN_CHUNK, scale, min);
    for (int64_t c = 0; c < n_cols; c++) {
        int64_t s = c / k.panel.sub;
        row->reach[c] = fabsf(scale[s]) * k.panel.code_max + (k.panel.has_min ? fabsf(min[s]) : 0);
        row->huge |= isfinite(scale[s]) && row->reach[c] > 0x1p126f / (32 * 127);
    }
}

static double product(int64_t n_cols, const struct row *row, const double *a, double *magnitude)
{
    double sum = 0, top = 0;
    for (int64_t c = 0; c < n_cols; c++) {
        sum += (double)row->w[c] * a[c];
        top += (double)row->reach[c] * fabs(a[c]);
    }
    *magnitude = row->huge ? HUGE_VAL : top;
    return sum;
}

/* The exact products of a float format's rows w [n_rows][n_cols] with the activations a
 * [n_tokens][n_cols], [n_tokens][n_rows], by OpenBLAS in double: a reference that shares nothing
 * with what it checks. NULL where OpenBLAS is not there, where a number is not finite (what comes
 * of those is not its promise), or where memory is short: products are then made one by one. */
static double *reference_products(const struct cn_format *f, int64_t n_rows, int64_t n_cols,
                                  int64_t n_tokens, const uint8_t *w, size_t row_bytes,
                                  const double *a)
{
    if (f->ref->kernels.panel.sub || n_rows == 0 || !cn_blas_there(NULL))
        return NULL;
    const size_t n = (size_t)(n_rows * n_cols), m = (size_t)(n_tokens * n_cols);
    double *y = malloc((size_t)(n_rows * n_tokens) * sizeof *y), *rows = malloc(n * sizeof *rows);
    float *row = malloc((size_t)n_cols * sizeof *row);
    bool ok = y && rows && row;
    for (int64_t r = 0; ok && r < n_rows; r++) {
        f->ref->dequantize(n_cols, w + (size_t)r * row_bytes, row);
        for (int64_t c = 0; c < n_cols; c++) {
            rows[r * n_cols + c] = (double)row[c];
            ok &= isfinite(row[c]) != 0;
        }
    }
    for (size_t i = 0; ok && i < m; i++)
        ok = isfinite(a[i]);
    if (ok)
        cn_blas_product_f64(n_rows, n_cols, n_tokens, rows, a, y);
    free(rows);
    free(row);
    if (ok)
        return y;
    free(y);
    return NULL;
}

/* Whether a kernel's number will do. Nothing is asked where floats may overflow. */
static bool check_product(struct cn_check *result, const struct cn_format *f, int64_t n_cols,
                          const struct row *row, float got, double expected, double magnitude)
{
    if (magnitude > 0x1p120)
        return true;
    if (!isfinite(expected)) {
        if (isfinite(got))
            result->max_error = HUGE_VAL;
        return !isfinite(got);
    }
    double bound = cn_product_bound(f, n_cols, magnitude, row->scale);
    return cn_check_within(result, fabs((double)got - expected), bound, magnitude);
}

/* Activations of one token, the numbers a product is made of: rounded as the format wants it. */
static void act_values(struct cn_checker *c, enum cn_act_kind kind, int64_t n, const float *x,
                       struct cn_act *act, double *a)
{
    if (kind == CN_ACT_F32) {
        *act = (struct cn_act){ .x = x };
        for (int64_t i = 0; i < n; i++)
            a[i] = (double)x[i];
        return;
    }
    int8_t *q = (int8_t *)(uintptr_t)act->q;
    float *d = (float *)(uintptr_t)act->d, *sum32 = (float *)(uintptr_t)act->sum32;
    c->ref->quantize_q8(n, x, q, d, sum32, (int16_t *)(uintptr_t)act->sum16);
    for (int64_t i = 0; i < n; i++)
        a[i] = (double)d[i / 32] * q[i];
}

/* ---- gemv ------------------------------------------------------------------------------------ */

/* Columns to try, in blocks, for blocks of 1, 32 and 256. 0 ends. */
static const int *column_counts(const struct cn_format *f)
{
    static const int ones[] = { 1,  2,  3,  4,  5,  7,  8,  9,   15,  16,  17,  24, 31,
                                32, 33, 47, 48, 63, 64, 65, 100, 127, 255, 257, 0 };
    static const int small[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33, 0 };
    static const int large[] = { 1, 2, 3, 4, 5, 8, 0 };
    return f->block_elems == 1 ? ones : f->block_elems <= 64 ? small : large;
}

/* Some n columns, at least: whole blocks. */
static int64_t some_columns(const struct cn_format *f, int64_t n)
{
    return (n + f->block_elems - 1) / f->block_elems * f->block_elems;
}

struct gemv_call {
    const struct cn_kernels *k;
    int64_t n_rows, n_cols;
    const void *w;
    size_t row_bytes;
    struct cn_act act;
    float *y;
};

static void call_gemv(void *arg)
{
    struct gemv_call *g = arg;
    g->k->gemv(g->n_rows, g->n_cols, g->w, g->row_bytes, &g->act, g->y);
}

/* Returns false after a crash or if memory ran out: no use going on. */
static bool gemv_case(struct cn_checker *c, const struct cn_format *f, const struct cn_kernels *k,
                      int64_t n_rows, int64_t n_cols, size_t row_gap, enum cn_pattern pattern,
                      enum cn_act_pattern acts, enum cn_place place, struct cn_check *result)
{
    const size_t tight = cn_row_bytes(f, n_cols), row_bytes = tight + row_gap;
    const size_t n = (size_t)n_cols;
    /* Nothing may be read between the rows either, but only the last one can be held to it. */
    const size_t w_bytes = n_rows ? (size_t)(n_rows - 1) * row_bytes + tight : 0;
    uint8_t *w = cn_check_take(c, CN_BUF_W, w_bytes, place);
    float *y = cn_check_take(c, CN_BUF_OUT, (size_t)n_rows * sizeof *y, place);
    float *x = cn_check_take(c, CN_BUF_X, n * sizeof *x, place);
    bool q8 = f->act == CN_ACT_Q8;
    struct cn_act act = {
        .q = cn_check_take(c, CN_BUF_Q, q8 ? n : 0, place),
        .d = cn_check_take(c, CN_BUF_D, q8 ? n / 32 * sizeof(float) : 0, place),
        .sum32 = cn_check_take(c, CN_BUF_SUM32, q8 ? n / 32 * sizeof(float) : 0, place),
        .sum16 = cn_check_take(c, CN_BUF_SUM16, q8 ? n / 16 * sizeof(int16_t) : 0, place),
    };
    double *a = malloc(n * sizeof *a);
    struct row row = { .w = malloc(n * sizeof(float)), .reach = malloc(n * sizeof(float)) };
    void *tmp = malloc(padded_bytes(n_cols) + n / 8 * sizeof(float));
    bool go_on = false;
    char where[160];
    snprintf(where, sizeof where, "%lld x %lld%s, %s, activations: %s, buffers at the %s",
             (long long)n_rows, (long long)n_cols, row_gap ? " with gaps" : "",
             cn_pattern_name(pattern), cn_act_pattern_name(acts),
             place == CN_PLACE_END ? "end" : "start");
    if (c->out_of_memory || !a || !row.w || !row.reach || !tmp) {
        result->no_memory = true;
        goto done;
    }
    cn_acts_fill(acts, &c->rng, n_cols, x);
    act_values(c, f->act, n_cols, x, &act, a);
    for (int64_t r = 0; r < n_rows; r++)
        cn_row_fill(c->blocks, pattern, &c->rng, n_cols, w + (size_t)r * row_bytes);
    struct gemv_call call = { k, n_rows, n_cols, w, row_bytes, act, y };
    result->n_cases++;
    int sig = cn_crash_catch(call_gemv, &call);
    if (sig) {
        cn_check_fail(result, "%s: %s", where, cn_signal_name(sig));
        result->max_error = HUGE_VAL;
        goto done;
    }
    go_on = true;
    cn_check_intact(c, result, where);
    double *reference = reference_products(f, n_rows, n_cols, 1, w, row_bytes, a);
    for (int64_t r = 0; r < n_rows; r++) {
        double magnitude;
        define_row(f, n_cols, w + (size_t)r * row_bytes, tmp, &row);
        double expected = product(n_cols, &row, a, &magnitude);
        expected = reference ? reference[r] : expected;
        if (check_product(result, f, n_cols, &row, y[r], expected, magnitude))
            continue;
        cn_check_fail(result, "%s: row %lld is %.9g, expected %.9g +- %.2g", where, (long long)r,
                      (double)y[r], expected, cn_product_bound(f, n_cols, magnitude, row.scale));
        break;
    }
    free(reference);
done:
    free(a);
    free(row.w);
    free(row.reach);
    free(tmp);
    return go_on;
}

static void check_gemv(struct cn_checker *c, const struct cn_format *f, const struct cn_kernels *k,
                       struct cn_check *result)
{
    static const int rows[] = { 1, 2, 3, 4, 5, 7, 8, 9, 13 };
    for (const int *n = column_counts(f); *n; n++)
        for (int p = 0; p < CN_N_PATTERNS; p++)
            for (int place = 0; place < CN_N_PLACES; place++, c->turn++)
                if (!gemv_case(c, f, k, rows[c->turn % (sizeof rows / sizeof *rows)],
                               (int64_t)*n * f->block_elems, c->turn % 5 ? 0 : 3 * f->block_bytes,
                               (enum cn_pattern)p, (enum cn_act_pattern)(c->turn % CN_N_ACTS),
                               (enum cn_place)place, result))
                    return;
    /* Every activation against the codes that make the largest sums; then no rows at all. */
    int64_t n_cols = f->block_elems == 256 ? 512 : some_columns(f, 32 * 5);
    for (int acts = 0; acts < CN_N_ACTS; acts++)
        for (int i = 0; i < 4; i++)
            if (!gemv_case(c, f, k, 5, n_cols, 0, i % 2 ? CN_PATTERN_EXTREME : CN_PATTERN_NOISE,
                           (enum cn_act_pattern)acts, (enum cn_place)(i / 2), result))
                return;
    gemv_case(c, f, k, 0, n_cols, 0, CN_PATTERN_NOISE, CN_ACTS_NORMAL, CN_PLACE_END, result);
}

/* ---- unpack and dequantize ------------------------------------------------------------------- */

struct unpack_call {
    const struct cn_kernels *k;
    const struct cn_format *f;
    int64_t n_cols;
    const void *row;
    uint8_t *codes;
    size_t chunk_stride;
    float *scale, *min, *x; /* x: dequantize instead */
};

static void call_unpack(void *arg)
{
    struct unpack_call *u = arg;
    if (u->x)
        cn_dequantize_with(u->k, u->f, u->n_cols, u->row, u->x);
    else
        cn_unpack_columns(u->k, u->row, u->k->header_bytes, u->n_cols, u->codes, u->chunk_stride,
                          u->scale, u->min);
}

/* The panel's numbers, put together as quant.h says. False if a code is too large, or if something
 * was written beside the chunks. */
static bool read_panel(const struct unpack_call *u, size_t codes_bytes, float *w, const char **why)
{
    const struct cn_panel *panel = &u->k->panel;
    const int per_chunk = panel->sub ? CN_CHUNK : CN_CHUNK / 4;
    for (int64_t c = 0; c < u->n_cols; c++) {
        const uint8_t *chunk = u->codes + (size_t)(c / per_chunk) * u->chunk_stride;
        if (!panel->sub) {
            memcpy(&w[c], chunk + c % per_chunk * 4, sizeof *w);
            continue;
        }
        int code = chunk[c % per_chunk];
        if (code > panel->code_max) {
            *why = "a code is above code_max";
            return false;
        }
        float v = u->scale[c / panel->sub] * (float)(code - panel->offset);
        w[c] = panel->has_min ? v - u->min[c / panel->sub] : v;
    }
    for (size_t i = 0; i < codes_bytes; i++)
        if (i % u->chunk_stride >= CN_CHUNK && u->codes[i] != CN_GUARD_FILL) {
            *why = "wrote between the chunks";
            return false;
        }
    return true;
}

static bool unpack_case(struct cn_checker *c, const struct cn_format *f, const struct cn_kernels *k,
                        int64_t n_cols, enum cn_pattern pattern, enum cn_place place,
                        size_t chunk_stride, bool dequantize, struct cn_check *result)
{
    const struct cn_panel *panel = &k->panel;
    const size_t n = (size_t)n_cols, row_bytes = cn_row_bytes(f, n_cols);
    const size_t chunk = panel->sub ? CN_CHUNK : CN_CHUNK / 4, width = panel->sub ? 1 : 4;
    const size_t codes_bytes =
        dequantize ? 0 : (n - 1) / chunk * chunk_stride + ((n - 1) % chunk + 1) * width;
    const size_t scale_bytes = panel->sub && !dequantize ? n / panel->sub * sizeof(float) : 0;
    uint8_t *row = cn_check_take(c, CN_BUF_W, row_bytes, place);
    struct unpack_call call = {
        .k = k,
        .f = f,
        .n_cols = n_cols,
        .row = row,
        .codes = cn_check_take(c, CN_BUF_OUT, codes_bytes, place),
        .chunk_stride = chunk_stride,
        .scale = cn_check_take(c, CN_BUF_D, scale_bytes, place),
        .min = cn_check_take(c, CN_BUF_SUM32, panel->has_min ? scale_bytes : 0, place),
        .x = cn_check_take(c, CN_BUF_X, dequantize ? n * sizeof(float) : 0, place),
    };
    if (!dequantize)
        call.x = NULL;
    float *expected = malloc(2 * n * sizeof *expected), *got = dequantize ? call.x : expected + n;
    bool go_on = false;
    char where[160];
    snprintf(where, sizeof where, "%lld columns, %s, chunks %zu bytes apart, buffers at the %s",
             (long long)n_cols, cn_pattern_name(pattern), chunk_stride,
             place == CN_PLACE_END ? "end" : "start");
    if (c->out_of_memory || !expected) {
        result->no_memory = true;
        goto done;
    }
    cn_row_fill(c->blocks, pattern, &c->rng, n_cols, row);
    result->n_cases++;
    int sig = cn_crash_catch(call_unpack, &call);
    if (sig) {
        cn_check_fail(result, "%s: %s", where, cn_signal_name(sig));
        result->max_error = HUGE_VAL;
        goto done;
    }
    go_on = true;
    const char *why = NULL;
    if (!cn_check_intact(c, result, where))
        goto done;
    if (!dequantize && !read_panel(&call, codes_bytes, got, &why)) {
        cn_check_fail(result, "%s: %s", where, why);
        result->max_error = HUGE_VAL;
        goto done;
    }
    /* Of what a panel says, zeros have no sign. */
    if (!dequantize && f->ref->sign_zeros)
        f->ref->sign_zeros(n_cols, call.row, got);
    f->ref->dequantize(n_cols, call.row, expected);
    for (int64_t i = 0; i < n_cols; i++) {
        if (cn_same_float(got[i], expected[i]))
            continue;
        cn_check_within(result, fabs((double)got[i] - (double)expected[i]), 0, 0);
        cn_check_fail(result, "%s: element %lld is %a, expected %a", where, (long long)i,
                      (double)got[i], (double)expected[i]);
        break;
    }
done:
    free(expected);
    return go_on;
}

static void check_unpack(struct cn_checker *c, const struct cn_format *f,
                         const struct cn_kernels *k, bool dequantize, struct cn_check *result)
{
    const struct cn_panel *panel = &k->panel;
    bool sub_ok = panel->sub == 0 ||
                  ((panel->sub == 16 || panel->sub == 32) && f->block_elems % panel->sub == 0);
    if (!sub_ok || panel->offset > panel->code_max) {
        cn_check_fail(result, "panel traits: sub %d, offset %d, code_max %d", panel->sub,
                      panel->offset, panel->code_max);
        return;
    }
    for (const int *n = column_counts(f); *n; n++)
        for (int p = 0; p < CN_N_PATTERNS; p++)
            for (int place = 0; place < CN_N_PLACES; place++)
                for (int i = 0; i < (dequantize ? 1 : 2); i++)
                    if (!unpack_case(c, f, k, (int64_t)*n * f->block_elems, (enum cn_pattern)p,
                                     (enum cn_place)place,
                                     (size_t)(i ? CN_PANEL_ROWS : 1) * CN_CHUNK, dequantize,
                                     result))
                        return;
}

/* ---- gemm ------------------------------------------------------------------------------------ */

static void call_gemm(void *arg)
{
    struct cn_gemm_call *g = arg;
    struct cn_act_panel panel;
    if (g->acts) {
        cn_gemm_small_run(g->ops->gemm, g->k, g->n_rows, g->n_cols, g->w, g->row_bytes, g->acts,
                          (int)g->n_tokens, g->y, g->y_stride, g->scratch);
        return;
    }
    cn_act_panel_init(&panel, g->kind, g->n_tokens, g->n_cols, g->panel);
    for (int64_t t = 0; t < g->n_tokens; t += 16)
        cn_act_panel_pack(&panel, g->ops, t / 16, g->x + t * g->n_cols, g->n_cols);
    cn_gemm_run(g->ops->gemm, g->k, g->n_rows, g->w, g->row_bytes, &panel, g->y, g->y_stride,
                g->scratch);
}

static bool check_gemm_results(struct cn_checker *c, const struct cn_format *f,
                               const struct cn_gemm_call *g, const char *where,
                               struct cn_check *result)
{
    const size_t n = (size_t)g->n_cols, m = (size_t)g->n_tokens;
    double *a = malloc(n * m * sizeof *a), *reference = NULL;
    struct row row = { .w = malloc(n * sizeof(float)), .reach = malloc(n * sizeof(float)) };
    void *tmp = malloc(padded_bytes(g->n_cols) + n / 8 * sizeof(float));
    uint8_t *acts = malloc(n * 2 + 64);
    bool good = false;
    if (!a || !row.w || !row.reach || !tmp || !acts) {
        result->no_memory = true;
        goto done;
    }
    for (int64_t t = 0; t < g->n_tokens; t++) {
        /* Not the packed panel's own numbers: its packing is under test. */
        float *d = (float *)(void *)(acts + n);
        struct cn_act act = { .q = (int8_t *)acts,
                              .d = d,
                              .sum32 = d + n / 32,
                              .sum16 = (int16_t *)(void *)(d + 2 * (n / 32)) };
        act_values(c, f->act, g->n_cols, g->x + t * g->n_cols, &act, a + t * g->n_cols);
    }
    reference = reference_products(f, g->n_rows, g->n_cols, g->n_tokens, g->w, g->row_bytes, a);
    for (int64_t r = 0; r < g->n_rows; r++) {
        define_row(f, g->n_cols, (const uint8_t *)g->w + (size_t)r * g->row_bytes, tmp, &row);
        for (int64_t t = 0; t < g->n_tokens; t++) {
            double magnitude, expected = product(g->n_cols, &row, a + t * g->n_cols, &magnitude);
            expected = reference ? reference[t * g->n_rows + r] : expected;
            float got = g->y[t * g->y_stride + r];
            if (check_product(result, f, g->n_cols, &row, got, expected, magnitude))
                continue;
            cn_check_fail(result, "%s: row %lld, token %lld is %.9g, expected %.9g +- %.2g", where,
                          (long long)r, (long long)t, (double)got, expected,
                          cn_product_bound(f, g->n_cols, magnitude, row.scale));
            goto done;
        }
    }
    good = true;
done:
    free(reference);
    free(a);
    free(row.w);
    free(row.reach);
    free(tmp);
    free(acts);
    return good;
}

/* Whether a few tokens got the bits that gemv gives each of them, where that is promised. */
static bool results_as_gemv(const struct cn_gemm_call *g, const char *where,
                            struct cn_check *result)
{
    if (!g->acts || !cn_gemm_small_as_gemv(g->ops, g->k))
        return true;
    float *y = malloc((size_t)g->n_rows * sizeof *y);
    bool good = y != NULL;
    if (!y)
        result->no_memory = true;
    for (int64_t t = 0; good && t < g->n_tokens; t++) {
        g->k->gemv(g->n_rows, g->n_cols, g->w, g->row_bytes, &g->acts[t], y);
        for (int64_t r = 0; good && r < g->n_rows; r++) {
            good = cn_same_float(g->y[t * g->y_stride + r], y[r]);
            if (!good)
                cn_check_fail(result, "%s: row %lld, token %lld is %a, by gemv %a", where,
                              (long long)r, (long long)t, (double)g->y[t * g->y_stride + r],
                              (double)y[r]);
        }
    }
    free(y);
    return good;
}

/* Whether nothing was written between one token's results and the next one's. */
static bool results_apart(const struct cn_gemm_call *g, const char *where, struct cn_check *result)
{
    for (int64_t i = 0; i < (g->n_tokens - 1) * g->y_stride; i++) {
        const uint8_t *p = (const uint8_t *)(g->y + i);
        if (i % g->y_stride < g->n_rows || (p[0] == CN_GUARD_FILL && p[3] == CN_GUARD_FILL))
            continue;
        cn_check_fail(result, "%s: wrote between the tokens of the output", where);
        return false;
    }
    return true;
}

/* Activations of n_tokens tokens as a few tokens' product takes them; x: made later. */
static void take_acts(struct cn_checker *c, const struct cn_format *f, int64_t n_tokens,
                      int64_t n_cols, const float *x, enum cn_place place, struct cn_act *acts)
{
    const size_t n = f->act == CN_ACT_Q8 ? (size_t)(n_tokens * n_cols) : 0;
    int8_t *q = cn_check_take(c, CN_BUF_Q, n, place);
    float *d = cn_check_take(c, CN_BUF_D, n / 32 * sizeof *d, place);
    float *sum32 = cn_check_take(c, CN_BUF_SUM32, n / 32 * sizeof *sum32, place);
    int16_t *sum16 = cn_check_take(c, CN_BUF_SUM16, n / 16 * sizeof *sum16, place);
    for (int64_t t = 0; t < n_tokens; t++)
        acts[t] = n ? (struct cn_act){ .q = q + t * n_cols,
                                       .d = d + t * n_cols / 32,
                                       .sum32 = sum32 + t * n_cols / 32,
                                       .sum16 = sum16 + t * n_cols / 16 }
                    : (struct cn_act){ .x = x + t * n_cols };
}

static bool gemm_case(struct cn_checker *c, const struct cn_format *f, const struct cn_kernels *k,
                      const struct cn_ops *ops, enum cn_job job, int64_t n_rows, int64_t n_tokens,
                      int64_t n_cols, enum cn_pattern pattern, enum cn_place place,
                      struct cn_check *result)
{
    const int64_t y_stride = n_rows + (c->turn % 3 ? 0 : 5);
    const size_t row_bytes = cn_row_bytes(f, n_cols);
    const enum cn_act_pattern acts = (enum cn_act_pattern)(c->turn % CN_N_ACTS);
    const bool fast = job == CN_JOB_GEMM_FAST, small = job == CN_JOB_GEMM_SMALL;
    const enum cn_act_kind kind = cn_gemm_act_kind(ops->gemm, f->act, n_cols, fast);
    const size_t scratch_bytes = cn_gemm_scratch_bytes(kind, n_cols);
    uint8_t *w = cn_check_take(c, CN_BUF_W, (size_t)n_rows * row_bytes, place);
    float *x = cn_check_take(c, CN_BUF_X, (size_t)(n_tokens * n_cols) * sizeof *x, place);
    struct cn_gemm_call call = {
        .k = k,
        .ops = ops,
        .n_rows = n_rows,
        .n_tokens = n_tokens,
        .n_cols = n_cols,
        .kind = kind,
        .w = w,
        .row_bytes = row_bytes,
        .x = x,
        .panel =
            small ? NULL
                  : cn_check_take(c, CN_BUF_Q, cn_act_panel_bytes(kind, n_tokens, n_cols), place),
        .scratch = cn_check_take(c, CN_BUF_SCRATCH, scratch_bytes, place),
        .y = cn_check_take(c, CN_BUF_OUT,
                           (size_t)((n_tokens - 1) * y_stride + n_rows) * sizeof(float), place),
        .y_stride = y_stride,
    };
    struct cn_act few[CN_SMALL_TOKENS];
    if (small) {
        take_acts(c, f, n_tokens, n_cols, x, place, few);
        call.acts = few;
    }
    if (c->out_of_memory) {
        result->no_memory = true;
        return false;
    }
    char where[160];
    snprintf(where, sizeof where,
             "%lld rows x %lld columns x %lld tokens, %s, activations: %s, buffers at the %s",
             (long long)n_rows, (long long)n_cols, (long long)n_tokens, cn_pattern_name(pattern),
             cn_act_pattern_name(acts), place == CN_PLACE_END ? "end" : "start");
    for (int64_t t = 0; t < n_tokens; t++)
        cn_acts_fill(t % 4 ? CN_ACTS_NORMAL : acts, &c->rng, n_cols, x + t * n_cols);
    for (int64_t t = 0; small && f->act == CN_ACT_Q8 && t < n_tokens; t++)
        c->ref->quantize_q8(n_cols, x + t * n_cols, (int8_t *)(uintptr_t)few[t].q,
                            (float *)(uintptr_t)few[t].d, (float *)(uintptr_t)few[t].sum32,
                            (int16_t *)(uintptr_t)few[t].sum16);
    for (int64_t r = 0; r < n_rows; r++)
        cn_row_fill(c->blocks, pattern, &c->rng, n_cols, w + (size_t)r * row_bytes);
    /* What a scratch held before is of no importance: NaN, then. */
    memset(call.scratch, c->turn % 2 ? 0xff : 0x7f, scratch_bytes);
    result->n_cases++;
    int sig = cn_crash_catch(call_gemm, &call);
    if (sig) {
        cn_check_fail(result, "%s: %s", where, cn_signal_name(sig));
        result->max_error = HUGE_VAL;
        return false;
    }
    if (!cn_check_intact(c, result, where))
        return true;
    bool good = small || kind == f->act ? check_gemm_results(c, f, &call, where, result)
                                        : cn_check_blocked(f, &call, where, result);
    if (!(good && results_apart(&call, where, result) && results_as_gemv(&call, where, result)) &&
        result->max_error <= result->bound)
        result->max_error = HUGE_VAL;
    return true;
}

/* Whether the unpacker is that of the definition or of a tier below the highest one: a few tokens
 * have met it, then, and fewer cases do. */
static bool unpacks_as_below(const struct cn_format *f, const struct cn_kernels *k,
                             const struct cn_ops *ops)
{
    int highest = CN_N_TIERS - 1;
    while (highest > CN_TIER_REF && !(ops->tiers >> highest & 1))
        highest--;
    return cn_kernels_for(f, ops->tiers & ~(1u << highest)).unpack == k->unpack;
}

static void check_gemm(struct cn_checker *c, const struct cn_format *f, const struct cn_kernels *k,
                       const struct cn_ops *ops, enum cn_job job, struct cn_check *result)
{
    enum { MAX_COLS = 768 };
    static const int rows[] = { 1, 16, 3, 17, 5, 33, 15, 8, 67, 2, 31 };
    const bool fast = job == CN_JOB_GEMM_FAST, small = job == CN_JOB_GEMM_SMALL;
    const int most_tokens = small ? CN_SMALL_TOKENS : 33, full = 16, ragged = small ? 7 : 21;
    const bool known = small && unpacks_as_below(f, k, ops);
    const int *counts = column_counts(f);
    int n_counts = 0;
    while (counts[n_counts] && counts[n_counts] * (int64_t)f->block_elems <= MAX_COLS)
        n_counts++;
    /* One case each, for this is the longest check on slow machines; what meets what depends on the
     * seed. Of more than eight, a few tokens are every third number. */
    for (int n_tokens = known ? 1 + (int)(c->turn % 3) : 1; n_tokens <= most_tokens;
         n_tokens += known || (small && n_tokens >= 8) ? 3 : 1, c->turn++) {
        const unsigned i = c->turn + c->turn / 7;
        const int64_t n_cols =
            fast ? CN_WIDE * (1 + i % 3) : (int64_t)counts[i % (unsigned)n_counts] * f->block_elems;
        if (!gemm_case(c, f, k, ops, job, rows[c->turn % (sizeof rows / sizeof *rows)], n_tokens,
                       n_cols, (enum cn_pattern)((c->turn + c->turn / 16) % CN_N_PATTERNS),
                       (enum cn_place)(c->turn % CN_N_PLACES), result))
            return;
    }
    /* Each pattern with a full tile and a ragged one, or with one of them. */
    for (int p = 0; p < CN_N_PATTERNS; p++)
        for (int i = 0; i < 2; i++, c->turn++)
            if (!(known && i != p % 2) &&
                !gemm_case(c, f, k, ops, job, i ? 19 : 16, i ? ragged : full,
                           f->block_elems == 256 || fast ? 256 : some_columns(f, 32 * 3),
                           (enum cn_pattern)p, (enum cn_place)i, result))
                return;
    /* More columns than are unpacked at a time. */
    gemm_case(c, f, k, ops, job, 18, small ? 15 : 17,
              CN_GEMM_COLS + (f->block_elems == 256 || fast ? 256 : some_columns(f, 96)),
              CN_PATTERN_RANDOM, CN_PLACE_END, result);
}

void cn_check_kernels(struct cn_checker *c, const struct cn_format *format,
                      const struct cn_kernels *kernels, const struct cn_ops *ops, enum cn_job job,
                      struct cn_check *result)
{
    *result = (struct cn_check){ 0 };
    /* The same inputs for every tier. */
    c->rng.state = c->seed + 977u * (unsigned)job;
    c->turn = (unsigned)(c->seed % 10007);
    if (c->format != format) {
        cn_blocks_free(c->blocks);
        c->blocks = cn_blocks_create(format, c->seed);
        c->format = c->blocks ? format : NULL;
    }
    if (!c->blocks)
        result->no_memory = true;
    else if (job == CN_JOB_GEMV)
        check_gemv(c, format, kernels, result);
    else if (job == CN_JOB_GEMM || job == CN_JOB_GEMM_SMALL || job == CN_JOB_GEMM_FAST)
        check_gemm(c, format, kernels, ops, job, result);
    else
        check_unpack(c, format, kernels, job == CN_JOB_DEQUANTIZE, result);
    if (result->n_failed && result->max_error <= result->bound)
        result->max_error = HUGE_VAL;
}

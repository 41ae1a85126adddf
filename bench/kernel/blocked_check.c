/* SPDX-License-Identifier: MIT */
#include "bench/kernel/blocked_check.h"

#include "bench/kernel/checker.h"
#include "quant/gemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = CN_PANEL_ROWS, MAX_HEADER = 4 };

/* An operand as the multiplication gets it: numbers and, by 256 columns, what they are times. */
struct operand {
    double *v, *scale;
};

static float bf16_at(const uint16_t *h)
{
    return cn_bf16_to_f32(*h);
}

/* One token of the packed panel. */
static void read_act(const struct cn_gemm_call *g, int64_t t, struct operand *to)
{
    const int64_t k = g->n_cols, groups = (g->n_tokens + N - 1) / N, group = t / N;
    const bool wide = g->kind == CN_ACT_Q8_WIDE;
    struct cn_act_panel p;
    cn_act_panel_init(&p, g->kind, g->n_tokens, k, g->panel);
    const int per = wide ? 4 : 2;
    for (int64_t c = 0; c < k; c++) {
        const int64_t block = c / CN_BLOCK_COLS * CN_BLOCK_COLS;
        const int64_t width = k - block < CN_BLOCK_COLS ? k - block : CN_BLOCK_COLS;
        const int64_t at = block * groups * N + group * width * N +
                           ((c - block) / per * N + t % N) * per + c % per;
        to->v[c] = wide ? p.q[at] : (double)bf16_at(p.h + at);
    }
    for (int64_t b = 0; b < k / CN_WIDE; b++)
        to->scale[b] = wide ? (double)p.d[(group * (k / CN_WIDE) + b) * N + t % N] : 1;
}

/* One row, converted anew. tmp: enough for 512 columns unpacked and converted. */
static void read_row(const struct cn_gemm_call *g, const struct cn_gemm_blocked *blocked,
                     const struct cn_format *f, int64_t r, struct operand *to)
{
    uint8_t codes[CN_BLOCK_COLS];
    float scale[CN_BLOCK_COLS / 16], min[CN_BLOCK_COLS / 16], scale256[N] = { 0 };
    _Alignas(64) uint8_t chunks[N * CN_WIDE * 2];
    const bool wide = g->kind == CN_ACT_Q8_WIDE;
    const int per = wide ? CN_CHUNK : CN_CHUNK / 2;
    const uint8_t *w = (const uint8_t *)g->w + (size_t)r * g->row_bytes;
    for (int64_t b = 0; b < g->n_cols / CN_WIDE; b++) {
        cn_unpack_columns(g->k, w, cn_row_bytes(f, b * CN_WIDE), CN_WIDE, codes, CN_CHUNK, scale,
                          min);
        blocked->convert(&g->k->panel, CN_WIDE, codes, scale, min, chunks, scale256);
        for (int c = 0; c < CN_WIDE; c++) {
            const uint8_t *chunk = chunks + c / per * N * CN_CHUNK;
            uint16_t h;
            memcpy(&h, chunk + c % per * 2 % CN_CHUNK, sizeof h);
            to->v[b * CN_WIDE + c] = !wide           ? (double)bf16_at(&h)
                                     : blocked->zero ? chunk[c % per] - blocked->zero
                                                     : (int8_t)chunk[c % per];
        }
        to->scale[b] = wide ? (double)scale256[0] : 1;
    }
}

/* Whether 256 numbers w became what they should; top: the largest magnitude that counts. steps: how
 * far a code may be off. */
static bool good_rounding(bool wide, const float *w, double top, double steps,
                          const struct operand *o, int64_t b)
{
    const double *v = o->v + b * CN_WIDE, scale = o->scale[b];
    if (wide && top > 0x1p120)
        return true;
    if (wide && !isfinite(top))
        return !isfinite(scale);
    if (wide && !(fabs(scale - (top < 0x1p-100 ? 0 : top / 127)) <= 1e-5 * top))
        return false;
    for (int c = 0; c < CN_WIDE; c++) {
        const double x = (double)w[c];
        if (!wide && !isfinite(x) && isfinite(v[c]))
            return false;
        if (wide && !(fabs(v[c]) <= 127))
            return false;
        const double bound =
            wide ? (steps + 1e-4) * scale + (scale > 0 ? 0 : 0x1p-99) : 0x1p-8 * fabs(x) + 0x1p-126;
        if (isfinite(x) && fabs(x) < 0x1p120 && !(fabs(v[c] * scale - x) <= bound))
            return false;
    }
    return true;
}

static bool check_operands(const struct cn_format *f, const struct cn_gemm_call *g, int64_t index,
                           bool weights, const struct operand *o)
{
    const bool wide = g->kind == CN_ACT_Q8_WIDE;
    const struct cn_kernels k = cn_kernels_for(f, 1u << CN_TIER_REF);
    const struct cn_panel *panel = &k.panel;
    for (int64_t b = 0; b < g->n_cols / CN_WIDE; b++) {
        float w[CN_WIDE];
        double top = 0;
        bool finite = true;
        if (weights) {
            uint8_t codes[CN_WIDE];
            float scale[CN_WIDE / 16], min[CN_WIDE / 16];
            /* A row of these columns alone. */
            const uint8_t *whole = (const uint8_t *)g->w + (size_t)index * g->row_bytes;
            uint8_t row[MAX_HEADER + CN_WIDE * sizeof(float)];
            memcpy(row, whole, f->header_bytes);
            memcpy(row + f->header_bytes, whole + cn_row_bytes(f, b * CN_WIDE),
                   cn_blocks_bytes(f, CN_WIDE));
            f->ref->dequantize(CN_WIDE, row, w);
            cn_unpack_columns(&k, row, f->header_bytes, CN_WIDE, codes, CN_CHUNK, scale, min);
            for (int s = 0; s < CN_WIDE / panel->sub; s++) {
                const double m = panel->has_min ? (double)min[s] : 0;
                const double lo = (double)scale[s] * -panel->offset - m,
                             hi = (double)scale[s] * (panel->code_max - panel->offset) - m;
                top = fmax(top, fmax(fabs(lo), fabs(hi)));
                finite &= isfinite(lo) && isfinite(hi);
            }
        } else {
            memcpy(w, g->x + index * g->n_cols + b * CN_WIDE, sizeof w);
            for (int c = 0; c < CN_WIDE; c++) {
                top = fmax(top, fabs((double)w[c]));
                finite &= isfinite(w[c]) != 0;
            }
        }
        if (!good_rounding(wide, w, finite ? top : HUGE_VAL, weights ? 17.0 / 32 : 0.5, o, b))
            return false;
    }
    return true;
}

/* Whether y will do for the product of a row and a token. */
static bool check_product(const struct cn_gemm_call *g, const struct operand *row,
                          const struct operand *act, float y, double *expected, double *bound,
                          struct cn_check *result)
{
    const double eps = 0x1p-24,
                 n = g->kind == CN_ACT_Q8_WIDE ? (double)g->n_cols / CN_WIDE : (double)g->n_cols;
    double sum = 0, size = 0;
    for (int64_t b = 0; b < g->n_cols / CN_WIDE; b++) {
        double dot = 0, all = 0;
        for (int64_t c = b * CN_WIDE; c < (b + 1) * CN_WIDE; c++) {
            dot += row->v[c] * act->v[c];
            all += fabs(row->v[c] * act->v[c]);
        }
        sum += row->scale[b] * act->scale[b] * dot;
        size += row->scale[b] * act->scale[b] * all;
    }
    *expected = sum;
    /* As cn_product_bound(): terms of `n` groups, each rounded a few times; numbers below the
     * smallest normal one may count as zero. */
    *bound =
        (n + 8) * eps * size + n * 0x1p-126 * (g->kind == CN_ACT_Q8_WIDE ? 256 * 127 * 127 : 1);
    if (size > 0x1p120)
        return true;
    if (!isfinite(sum))
        return !isfinite(y);
    return cn_check_within(result, fabs((double)y - sum), *bound, size);
}

bool cn_check_blocked(const struct cn_format *format, const struct cn_gemm_call *g,
                      const char *where, struct cn_check *result)
{
    const struct cn_gemm *gemm = g->ops->gemm;
    const struct cn_gemm_blocked *blocked =
        gemm->fast && gemm->fast->act == g->kind ? gemm->fast : gemm->exact;
    const size_t k = (size_t)g->n_cols, per = k + k / CN_WIDE;
    double *memory = malloc((1 + (size_t)g->n_tokens) * per * sizeof *memory);
    bool good = false;
    if (!memory) {
        cn_check_fail(result, "out of memory");
        return false;
    }
    struct operand row = { memory, memory + k };
    for (int64_t t = 0; t < g->n_tokens; t++) {
        struct operand act = { memory + (size_t)(t + 1) * per, memory + (size_t)(t + 1) * per + k };
        read_act(g, t, &act);
        if (!check_operands(format, g, t, false, &act)) {
            cn_check_fail(result, "%s: token %lld is packed wrongly", where, (long long)t);
            goto done;
        }
    }
    for (int64_t r = 0; r < g->n_rows; r++) {
        read_row(g, blocked, format, r, &row);
        if (!check_operands(format, g, r, true, &row)) {
            cn_check_fail(result, "%s: row %lld is converted wrongly", where, (long long)r);
            goto done;
        }
        for (int64_t t = 0; t < g->n_tokens; t++) {
            const struct operand act = { memory + (size_t)(t + 1) * per,
                                         memory + (size_t)(t + 1) * per + k };
            const float y = g->y[t * g->y_stride + r];
            double expected, bound;
            if (check_product(g, &row, &act, y, &expected, &bound, result))
                continue;
            cn_check_fail(result, "%s: row %lld, token %lld is %.9g, expected %.9g +- %.2g", where,
                          (long long)r, (long long)t, (double)y, expected, bound);
            goto done;
        }
    }
    good = true;
done:
    free(memory);
    return good;
}

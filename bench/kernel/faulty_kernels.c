/* SPDX-License-Identifier: MIT */
#include "bench/kernel/faulty_kernels.h"

#include "bench/kernel/kernel_check.h"
#include "quant/gemm.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the faults are wrapped around. */
static struct {
    const struct cn_format *format;
    struct cn_kernels kernels;
    struct cn_ops ops;
} good;

static volatile uint8_t sink;
static uint8_t copy[1 << 16];

#define GEMV_PARAMETERS                                                                      \
    int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes, const struct cn_act *x, \
        float *y

static void gemv_good(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
}

static void gemv_one_bit(GEMV_PARAMETERS)
{
    size_t n = cn_row_bytes(good.format, n_cols);
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    if (n_rows == 0 || n > sizeof copy)
        return;
    memcpy(copy, (const uint8_t *)w + (size_t)(n_rows - 1) * row_bytes, n);
    copy[n - 1] ^= 1;
    good.kernels.gemv(1, n_cols, copy, n, x, y + n_rows - 1);
}

static void gemv_reads_behind(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    if (n_rows)
        sink = ((const volatile uint8_t *)
                    w)[(size_t)(n_rows - 1) * row_bytes + cn_row_bytes(good.format, n_cols)];
}

static void gemv_reads_before(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    sink = ((const volatile uint8_t *)w)[-1];
}

static void gemv_reads_activation(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    sink = (uint8_t)((const volatile int8_t *)x->q)[n_cols];
}

static void gemv_writes_behind(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    y[n_rows] = 0;
}

static void gemv_nan(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    if (n_rows > 8)
        y[8] = NAN;
}

static void gemv_hides_nan(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    for (int64_t r = 0; r < n_rows; r++)
        y[r] = isfinite(y[r]) ? y[r] : 0;
}

static void gemv_odd_row(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows - n_rows % 2, n_cols, w, row_bytes, x, y);
}

static void gemv_no_gaps(GEMV_PARAMETERS)
{
    (void)row_bytes;
    good.kernels.gemv(n_rows, n_cols, w, cn_row_bytes(good.format, n_cols), x, y);
}

static void gemv_rounds(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    for (int64_t r = 0; r < n_rows; r++)
        y[r] *= 1 + 0x1p-17f;
}

static void gemv_illegal(GEMV_PARAMETERS)
{
    good.kernels.gemv(n_rows, n_cols, w, row_bytes, x, y);
    if (n_cols > 300)
        raise(SIGILL);
}

#define UNPACK_PARAMETERS \
    int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride, float *scale, float *min

static void unpack_good(UNPACK_PARAMETERS)
{
    good.kernels.unpack(n_cols, row, codes, chunk_stride, scale, min);
}

static void unpack_one_bit(UNPACK_PARAMETERS)
{
    good.kernels.unpack(n_cols, row, codes, chunk_stride, scale, min);
    codes[(size_t)((n_cols - 1) / CN_CHUNK) * chunk_stride + (size_t)(n_cols - 1) % CN_CHUNK] ^= 1;
}

static void unpack_scale(UNPACK_PARAMETERS)
{
    good.kernels.unpack(n_cols, row, codes, chunk_stride, scale, min);
    scale[0] = nextafterf(scale[0], INFINITY);
}

static void unpack_reads_behind(UNPACK_PARAMETERS)
{
    good.kernels.unpack(n_cols, row, codes, chunk_stride, scale, min);
    sink = ((const volatile uint8_t *)row)[cn_row_bytes(good.format, n_cols)];
}

static void unpack_fills_chunk(UNPACK_PARAMETERS)
{
    good.kernels.unpack(n_cols, row, codes, chunk_stride, scale, min);
    if (n_cols % CN_CHUNK)
        memset(codes + (size_t)(n_cols / CN_CHUNK) * chunk_stride + n_cols % CN_CHUNK, 0, 1);
}

static void unpack_ignores_stride(UNPACK_PARAMETERS)
{
    (void)chunk_stride;
    good.kernels.unpack(n_cols, row, codes, CN_CHUNK, scale, min);
}

#define TILE_PARAMETERS                                                             \
    const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x, \
        int64_t token_group, int n_tokens, float *out

static void tile_last_token(TILE_PARAMETERS)
{
    good.ops.gemm->tile(p, row_group, x, token_group, n_tokens, out);
    for (int r = 0; n_tokens % 2 && r < 16; r++)
        out[r * 16 + n_tokens - 1] = 0;
}

static void tile_nan(TILE_PARAMETERS)
{
    good.ops.gemm->tile(p, row_group, x, token_group, n_tokens, out);
    out[0] = row_group ? NAN : out[0];
}

static void tile_rounds(TILE_PARAMETERS)
{
    good.ops.gemm->tile(p, row_group, x, token_group, n_tokens, out);
    out[2 * 16] *= 1 + 0x1p-16f;
}

static void tile_writes_behind(TILE_PARAMETERS)
{
    good.ops.gemm->tile(p, row_group, x, token_group, n_tokens, out);
    ((volatile float *)out)[-1] = 0; /* `out` is where the scratch begins */
}

static void pack_next_token(const struct cn_act_panel *p, int64_t group, int n, const float *x,
                            int64_t x_stride)
{
    good.ops.gemm->fast->pack(p, group, n, n > 1 ? x + x_stride : x, 0);
}

static void convert_other_code(const struct cn_panel *kind, int64_t n_cols, const uint8_t *codes,
                               const float *scale, const float *min, uint8_t *to, float *scale256)
{
    good.ops.gemm->fast->convert(kind, n_cols, codes, scale, min, to, scale256);
    to[0] ^= 1;
}

static void multiply_rounds(const struct cn_gemm_block *b)
{
    good.ops.gemm->fast->multiply(b);
    b->out[2 * 16] *= 1 + 0x1p-16f;
}

static void multiply_most_rows(const struct cn_gemm_block *b)
{
    struct cn_gemm_block some = *b;
    some.n_row_groups = some.n_row_groups > 1 ? some.n_row_groups - 1 : 1;
    good.ops.gemm->fast->multiply(b->n_token_groups == 1 ? &some : b);
}

static void quantize_half_away(int64_t n, const float *x, int8_t *q, float *d, float *sum32,
                               int16_t *sum16)
{
    good.ops.vec.quantize_q8(n, x, q, d, sum32, sum16);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(d[i / 32]) && d[i / 32] > 0x1p-126f)
            q[i] = (int8_t)roundf(x[i] * (1 / d[i / 32]));
}

static float dot_reads_behind(int64_t n, const float *a, const float *b)
{
    sink = (uint8_t)((const volatile float *)a)[n];
    return good.ops.vec.dot(n, a, b);
}

static float exp_sum_rough(int64_t n, float max, float *x)
{
    float sum = good.ops.vec.exp_sum(n, max, x);
    for (int64_t i = 0; i < n; i++)
        x[i] *= 1.00001f;
    return sum;
}

static void to_f16_truncates(int64_t n, const float *x, uint16_t *y)
{
    good.ops.vec.to_f16(n, x, y);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabsf(cn_f16_to_f32(y[i])) > fabsf(x[i]))
            y[i]--;
}

static float max_without_last(int64_t n, const float *x)
{
    return good.ops.vec.max(n > 1 ? n - 1 : n, x);
}

static void delta_step_keeps_last_key(int64_t n_keys, int64_t n_values, float decay, float beta,
                                      const float *q, const float *k, const float *v, float *state,
                                      float *out)
{
    float *last = state + (n_keys - 1) * 16;
    const float before = n_keys > 0 ? last[3] : 0;
    good.ops.vec.delta_step(n_keys, n_values, decay, beta, q, k, v, state, out);
    if (n_keys > 0)
        last[3] = before;
}

/* ---- the list -------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    enum cn_job job;
    cn_gemv_fn *gemv;
    cn_unpack_fn *unpack;
    bool is_fine; /* not a fault: must pass */
} kernel_faults[] = {
    {"gemv passed on",                           CN_JOB_GEMV,       gemv_good,             NULL,                  true },
    { "gemv: one bit of one weight",             CN_JOB_GEMV,       gemv_one_bit,          NULL,                  false},
    { "gemv: reads one byte behind the weights", CN_JOB_GEMV,       gemv_reads_behind,     NULL,                  false},
    { "gemv: reads one byte before the weights", CN_JOB_GEMV,       gemv_reads_before,     NULL,                  false},
    { "gemv: reads an activation too many",      CN_JOB_GEMV,       gemv_reads_activation, NULL,                  false},
    { "gemv: writes a result too many",          CN_JOB_GEMV,       gemv_writes_behind,    NULL,                  false},
    { "gemv: NaN in row 8",                      CN_JOB_GEMV,       gemv_nan,              NULL,                  false},
    { "gemv: NaN scales give 0",                 CN_JOB_GEMV,       gemv_hides_nan,        NULL,                  false},
    { "gemv: odd last row left out",             CN_JOB_GEMV,       gemv_odd_row,          NULL,                  false},
    { "gemv: rows taken as adjoining",           CN_JOB_GEMV,       gemv_no_gaps,          NULL,                  false},
    { "gemv: error of 2^-17",                    CN_JOB_GEMV,       gemv_rounds,           NULL,                  false},
    { "gemv: SIGILL",                            CN_JOB_GEMV,       gemv_illegal,          NULL,                  false},
    { "unpack passed on",                        CN_JOB_UNPACK,     NULL,                  unpack_good,           true },
    { "unpack: one bit of the last code",        CN_JOB_UNPACK,     NULL,                  unpack_one_bit,        false},
    { "unpack: last bit of a scale",             CN_JOB_UNPACK,     NULL,                  unpack_scale,          false},
    { "unpack: reads one byte behind the row",   CN_JOB_UNPACK,     NULL,                  unpack_reads_behind,   false},
    { "unpack: writes behind half a chunk",      CN_JOB_UNPACK,     NULL,                  unpack_fills_chunk,    false},
    { "unpack: ignores the chunks' distance",    CN_JOB_UNPACK,     NULL,                  unpack_ignores_stride, false},
    { "dequantize: one bit of the last code",    CN_JOB_DEQUANTIZE, NULL,                  unpack_one_bit,        false},
    { "gemm: one bit of the last code",          CN_JOB_GEMM,       NULL,                  unpack_one_bit,        false},
    { "gemm_small: one bit of one weight",       CN_JOB_GEMM_SMALL, gemv_one_bit,          unpack_one_bit,        false},
};

static const struct {
    const char *what;
    void (*tile)(TILE_PARAMETERS);
} tile_faults[] = {
    {"gemm: odd last token left out",      tile_last_token   },
    { "gemm: NaN in the second row group", tile_nan          },
    { "gemm: error of 2^-16 in one row",   tile_rounds       },
    { "gemm: writes before the scratch",   tile_writes_behind},
};

static const struct {
    const char *what;
    struct cn_gemm_blocked blocked; /* the slots to replace */
} blocked_faults[] = {
    {"gemm_fast: the second token for all",   { .pack = pack_next_token }       },
    { "gemm_fast: last bit of a code",        { .convert = convert_other_code } },
    { "gemm_fast: error of 2^-16 in one row", { .multiply = multiply_rounds }   },
    { "gemm_fast: last row group left out",   { .multiply = multiply_most_rows }},
};

static const struct {
    const char *what, *slot;
    struct cn_vec vec;
} vec_faults[] = {
    {"quantize_q8: half away from zero", "quantize_q8", { .quantize_q8 = quantize_half_away }      },
    { "dot: reads one float too many",   "dot",         { .dot = dot_reads_behind }                },
    { "exp_sum: error of 10^-5",         "exp_sum",     { .exp_sum = exp_sum_rough }               },
    { "to_f16: truncates",               "to_f16",      { .to_f16 = to_f16_truncates }             },
    { "max: leaves out the last",        "max",         { .max = max_without_last }                },
    { "delta_step: one number stays",    "delta_step",  { .delta_step = delta_step_keeps_last_key }},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Notes how the checks judged. */
static void judge(const char *what, bool is_fine, const struct cn_check *check,
                  struct cn_faults *faults)
{
    faults->n++;
    faults->no_memory |= check->no_memory;
    if (is_fine == (check->n_failed == 0) || faults->n_wrong++)
        return;
    snprintf(faults->what, sizeof faults->what, "%s: %s%s", what, is_fine ? "" : "not found",
             is_fine ? check->what : "");
}

bool cn_check_faulty_kernels(uint32_t tiers, uint64_t seed, struct cn_faults *faults)
{
    static const char *const formats[] = { "q4_0", "q4_k", "q6_k" };
    struct cn_checker *c = cn_checker_create(seed);
    struct cn_check check;
    *faults = (struct cn_faults){ 0 };
    if (!c)
        return false;
    good.ops = cn_ops_for(tiers);
    for (size_t i = 0; i < COUNT(formats); i++) {
        good.format = cn_format_by_name(formats[i]);
        good.kernels = cn_kernels_for(good.format, tiers);
        for (size_t j = 0; j < COUNT(kernel_faults); j++) {
            struct cn_kernels broken = good.kernels;
            if (kernel_faults[j].gemv)
                broken.gemv = kernel_faults[j].gemv;
            if (kernel_faults[j].unpack) {
                broken.unpack = kernel_faults[j].unpack;
                broken.small = NULL;
            }
            /* Rows of 256-element blocks have no half chunk. */
            if (kernel_faults[j].unpack == unpack_fills_chunk && good.format->block_elems % 64 == 0)
                continue;
            cn_check_kernels(c, good.format, &broken, &good.ops, kernel_faults[j].job, &check);
            judge(kernel_faults[j].what, kernel_faults[j].is_fine, &check, faults);
        }
        for (size_t j = 0; j < COUNT(tile_faults); j++) {
            struct cn_gemm gemm = *good.ops.gemm;
            struct cn_ops broken = good.ops;
            gemm.tile = tile_faults[j].tile;
            broken.gemm = &gemm;
            cn_check_kernels(c, good.format, &good.kernels, &broken, CN_JOB_GEMM, &check);
            judge(tile_faults[j].what, false, &check, faults);
        }
        for (size_t j = 0; good.ops.gemm->fast && j < COUNT(blocked_faults); j++) {
            const struct cn_gemm_blocked *fault = &blocked_faults[j].blocked;
            struct cn_gemm_blocked blocked = *good.ops.gemm->fast;
            struct cn_gemm gemm = *good.ops.gemm;
            struct cn_ops broken = good.ops;
            blocked.pack = fault->pack ? fault->pack : blocked.pack;
            blocked.convert = fault->convert ? fault->convert : blocked.convert;
            blocked.multiply = fault->multiply ? fault->multiply : blocked.multiply;
            gemm.fast = &blocked;
            broken.gemm = &gemm;
            cn_check_kernels(c, good.format, &good.kernels, &broken, CN_JOB_GEMM_FAST, &check);
            judge(blocked_faults[j].what, false, &check, faults);
        }
    }
    for (size_t i = 0; i < COUNT(vec_faults); i++) {
        int slot = 0;
        while (strcmp(cn_vec_slot_name(slot), vec_faults[i].slot) != 0)
            slot++;
        cn_check_vec(c, &vec_faults[i].vec, slot, &check);
        judge(vec_faults[i].what, false, &check, faults);
    }
    cn_checker_free(c);
    return !faults->no_memory;
}

/* SPDX-License-Identifier: MIT
 *
 * The panel GEMM's driver, the same for every tier: unpack a cache-sized block of rows and columns
 * once, then run the tier's 16 x 16 tiles over every group of tokens. Layouts: quant.h; why:
 * docs/KERNELS.md.
 */
#include "quant/gemm.h"

#include "base/layout.h"

#include <assert.h>
#include <string.h>

enum {
    GROUP = 16,
    ROWS = 64, /* times CN_GEMM_COLS: 128 KiB of codes, half a typical core's own L2 */
    MAX_TOKEN_GROUPS = 2,
    OUT_BYTES = GROUP * GROUP * MAX_TOKEN_GROUPS * sizeof(float),
};

static int64_t n_groups(int64_t n)
{
    return (n + GROUP - 1) / GROUP;
}

static const struct cn_gemm_blocked *blocked_of(const struct cn_gemm *gemm, enum cn_act_kind kind)
{
    return gemm->fast && gemm->fast->act == kind     ? gemm->fast
           : gemm->exact && gemm->exact->act == kind ? gemm->exact
                                                     : NULL;
}

enum cn_act_kind cn_gemm_act_kind(const struct cn_gemm *gemm, enum cn_act_kind kind, int64_t n_cols,
                                  bool fast)
{
    const struct cn_gemm_blocked *blocked = fast && gemm->fast ? gemm->fast : gemm->exact;
    return kind == CN_ACT_Q8 && n_cols % CN_WIDE == 0 && blocked ? blocked->act : kind;
}

bool cn_gemm_has_fast(const struct cn_gemm *gemm)
{
    return gemm->fast;
}

/* Columns that share a scale of activations, and a sum. */
static size_t scale_cols(enum cn_act_kind kind)
{
    return kind == CN_ACT_Q8 ? 32 : CN_WIDE;
}

static size_t sum_cols(enum cn_act_kind kind)
{
    return kind == CN_ACT_Q8 ? 16 : CN_WIDE;
}

size_t cn_act_panel_bytes(enum cn_act_kind kind, int64_t n_tokens, int64_t n_cols)
{
    size_t cells = (size_t)n_groups(n_tokens) * GROUP * (size_t)n_cols;
    if (kind == CN_ACT_F32)
        return cn_round_up(cells * sizeof(float), CN_ALIGN);
    if (kind == CN_ACT_BF16)
        return cn_round_up(cells * sizeof(uint16_t), CN_ALIGN);
    return cn_round_up(cells, CN_ALIGN) +
           cn_round_up(cells / scale_cols(kind) * sizeof(float), CN_ALIGN) +
           cn_round_up(cells / sum_cols(kind) * sizeof(int32_t), CN_ALIGN);
}

void cn_act_panel_init(struct cn_act_panel *p, enum cn_act_kind kind, int64_t n_tokens,
                       int64_t n_cols, void *memory)
{
    size_t cells = (size_t)n_groups(n_tokens) * GROUP * (size_t)n_cols;
    assert(kind == CN_ACT_F32 || n_cols % (kind == CN_ACT_Q8 ? 32 : CN_WIDE) == 0);
    *p = (struct cn_act_panel){ .kind = kind, .n_tokens = n_tokens, .n_cols = n_cols };
    if (kind == CN_ACT_F32) {
        p->x = memory;
    } else if (kind == CN_ACT_BF16) {
        p->h = memory;
    } else {
        p->q = memory;
        p->d = (float *)(void *)((uint8_t *)memory + cn_round_up(cells, CN_ALIGN));
        p->sum =
            (int32_t *)(void *)((uint8_t *)p->d +
                                cn_round_up(cells / scale_cols(kind) * sizeof(float), CN_ALIGN));
    }
}

void cn_act_panel_pack(const struct cn_act_panel *p, const struct cn_ops *ops, int64_t group,
                       const float *x, int64_t x_stride)
{
    const struct cn_vec *vec = &ops->vec;
    const struct cn_gemm_blocked *blocked = blocked_of(ops->gemm, p->kind);
    int64_t k = p->n_cols, here = p->n_tokens - group * GROUP;
    int n = here < GROUP ? (int)here : GROUP;
    if (blocked) {
        blocked->pack(p, group, n, x, x_stride);
        return;
    }
    if (p->kind == CN_ACT_F32) {
        float *out = p->x + group * GROUP * k;
        for (int64_t c = 0; c < k; c++)
            for (int t = 0; t < GROUP; t++)
                out[c * GROUP + t] = t < n ? x[t * x_stride + c] : 0;
        return;
    }
    enum { STEP = 256 };
    for (int64_t c = 0; c < k; c += STEP) {
        int64_t m = k - c < STEP ? k - c : STEP;
        int8_t *out = p->q + (group * k + c) * GROUP;
        float *d = p->d + (group * k + c) / 32 * GROUP;
        int32_t *sum = p->sum + (group * k + c) / 16 * GROUP;
        for (int t = 0; t < GROUP; t++) {
            int32_t q[STEP / 4]; /* four columns at a time: they stay neighbours */
            float dt[STEP / 32], sum32[STEP / 32];
            int16_t sum16[STEP / 16];
            if (t < n) {
                vec->quantize_q8(m, x + t * x_stride + c, (int8_t *)q, dt, sum32, sum16);
            } else {
                memset(q, 0, sizeof q);
                memset(dt, 0, sizeof dt);
                memset(sum16, 0, sizeof sum16);
            }
            for (int64_t i = 0; i < m / 4; i++)
                memcpy(out + (i * GROUP + t) * 4, &q[i], 4);
            for (int64_t i = 0; i < m / 32; i++)
                d[i * GROUP + t] = dt[i];
            for (int64_t i = 0; i < m / 16; i++)
                sum[i * GROUP + t] = sum16[i];
        }
    }
}

int64_t cn_gemm_rows(enum cn_act_kind kind)
{
    return kind == CN_ACT_Q8_WIDE || kind == CN_ACT_BF16 ? CN_BLOCKED_ROWS : ROWS;
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

/* Columns that a block's rows have room for. */
static int64_t block_cols(int64_t n_cols)
{
    return (at_most(n_cols, CN_GEMM_COLS) + CN_CHUNK - 1) / CN_CHUNK * CN_CHUNK;
}

static size_t panel_scratch_bytes(enum cn_act_kind kind, int64_t n_cols)
{
    if (kind == CN_ACT_Q8_WIDE || kind == CN_ACT_BF16)
        return cn_gemm_blocked_scratch_bytes();
    /* Float panels are the largest. Quantised ones have a byte of codes and one to spare per
     * column; scales and minima, at most one per 16 columns but room for 16, take less than the
     * rest. */
    return cn_round_up(ROWS * (size_t)block_cols(n_cols) * sizeof(float), CN_ALIGN) + OUT_BYTES;
}

size_t cn_gemm_scratch_bytes(enum cn_act_kind kind, int64_t n_cols)
{
    const size_t panel = panel_scratch_bytes(kind, n_cols), small = cn_gemm_small_scratch_bytes();
    return panel > small ? panel : small;
}

/* One block of at most ROWS rows of the panel times all tokens; first: its columns are the first,
 * y is overwritten. */
static void multiply(const struct cn_gemm *gemm, struct cn_panel_data *p, int64_t n_rows,
                     const struct cn_act_panel *x, bool first, float *out, float *y,
                     int64_t y_stride)
{
    const bool floats = !p->kind->sub;
    const int groups = floats ? 1 : gemm->token_groups, step = groups * GROUP;
    assert(groups == 1 || groups == 2);
    for (int64_t t = 0; t < x->n_tokens; t += step) {
        const int n_tokens = (int)at_most(x->n_tokens - t, step);
        if (!floats && gemm->prepare_tokens)
            gemm->prepare_tokens(p, x, t / GROUP);
        for (int64_t r = 0; r < n_rows; r += GROUP) {
            /* Lines that are to be written, for they come from afar. */
            for (int i = 0; i < n_tokens; i++)
                __builtin_prefetch(y + (t + i) * y_stride + r, 1);
            (floats ? gemm->tile_f32 : gemm->tile)(p, r / GROUP, x, t / GROUP, n_tokens, out);
            for (int i = 0; i < n_tokens; i += GROUP)
                cn_gemm_store(gemm, out + i, step, (int)at_most(n_rows - r, GROUP),
                              (int)at_most(n_tokens - i, GROUP), y + (t + i) * y_stride + r,
                              y_stride, !first);
        }
    }
}

/* The same activations from column c on. */
static struct cn_act_panel from_column(const struct cn_act_panel *x, int64_t c)
{
    struct cn_act_panel part = *x;
    if (x->kind == CN_ACT_F32) {
        part.x += c * GROUP;
    } else {
        part.q += c * GROUP;
        part.d += c / 32 * GROUP;
        part.sum += c / 16 * GROUP;
    }
    return part;
}

void cn_gemm_run(const struct cn_gemm *gemm, const struct cn_kernels *kernels, int64_t n_rows,
                 const void *w, size_t row_bytes, const struct cn_act_panel *x, float *y,
                 int64_t y_stride, void *scratch)
{
    const struct cn_gemm_blocked *blocked = blocked_of(gemm, x->kind);
    if (blocked) {
        cn_gemm_run_blocked(gemm, blocked, kernels, n_rows, w, row_bytes, x, y, y_stride, scratch);
        return;
    }
    const struct cn_panel *kind = &kernels->panel;
    const int64_t n_cols = x->n_cols, cols = block_cols(n_cols);
    const size_t header = kernels->header_bytes, blocks_bytes = row_bytes - header;
    const int64_t per_row = kind->sub ? (cols / kind->sub + 15) / 16 * 16 : 0;
    float *out = scratch;
    uint8_t *codes = (uint8_t *)scratch + OUT_BYTES;
    struct cn_panel_data p = {
        .kind = kind,
        .codes = codes,
        .group_stride = (size_t)cols * GROUP * (kind->sub ? 1 : sizeof(float)),
        .scale = (float *)(void *)(codes + ROWS * (size_t)cols),
        .scale_stride = per_row,
    };
    p.min = p.scale + ROWS * per_row;
    p.spare = codes + 3 * ROWS * (size_t)cols;
    for (int64_t r0 = 0; r0 < n_rows; r0 += ROWS) {
        const int64_t n = at_most(n_rows - r0, ROWS);
        for (int64_t c = 0; c < n_cols; c += CN_GEMM_COLS) {
            const struct cn_act_panel part = from_column(x, c);
            /* These are whole blocks of every format. */
            const size_t at = header + blocks_bytes * (size_t)c / (size_t)n_cols;
            const uint8_t *row = (const uint8_t *)w + (size_t)r0 * row_bytes;
            p.n_cols = at_most(n_cols - c, CN_GEMM_COLS);
            const size_t n_bytes = blocks_bytes * (size_t)p.n_cols / (size_t)n_cols;
            for (int64_t r = 0; r < n; r++, row += row_bytes) {
                if (r + CN_GEMM_AHEAD < n)
                    cn_gemm_prefetch(row + CN_GEMM_AHEAD * row_bytes + at, n_bytes);
                cn_unpack_columns(kernels, row, at, p.n_cols,
                                  codes + (size_t)(r / GROUP) * p.group_stride +
                                      r % GROUP * CN_CHUNK,
                                  GROUP * CN_CHUNK, p.scale + r * per_row, p.min + r * per_row);
            }
            /* Rows beyond n in the last group hold old numbers; their results are not stored. */
            if (kind->sub && gemm->prepare)
                gemm->prepare(&p, n_groups(n) * GROUP);
            multiply(gemm, &p, n, &part, c == 0, out, y + r0, y_stride);
        }
    }
}

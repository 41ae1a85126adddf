/* SPDX-License-Identifier: MIT
 *
 * The panel GEMM's driver, the same for every tier: unpack a cache-sized block of rows once, then
 * run the tier's 16 x 16 tiles over every group of tokens. Layouts: quant.h; why: docs/KERNELS.md.
 */
#include "quant/gemm.h"

#include <assert.h>
#include <string.h>

enum {
    GROUP = 16,
    /* Bytes of codes a row block may have: half a typical core's own L2. */
    PANEL_BYTES = 128 * 1024,
    MAX_ROWS = 64,
    MAX_TOKEN_GROUPS = 2,
    OUT_BYTES = GROUP * GROUP * MAX_TOKEN_GROUPS * sizeof(float),
};

static size_t round_up(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static int64_t n_groups(int64_t n)
{
    return (n + GROUP - 1) / GROUP;
}

static const struct cn_gemm_way *way_of(const struct cn_gemm *gemm, enum cn_act_kind kind)
{
    return gemm->fast && gemm->fast->act == kind     ? gemm->fast
           : gemm->exact && gemm->exact->act == kind ? gemm->exact
                                                     : NULL;
}

enum cn_act_kind cn_gemm_act_kind(const struct cn_gemm *gemm, enum cn_act_kind kind, int64_t n_cols,
                                  bool fast)
{
    const struct cn_gemm_way *way = fast && gemm->fast ? gemm->fast : gemm->exact;
    return kind == CN_ACT_Q8 && n_cols % CN_WIDE == 0 && way ? way->act : kind;
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
        return round_up(cells * sizeof(float));
    if (kind == CN_ACT_BF16)
        return round_up(cells * sizeof(uint16_t));
    return round_up(cells) + round_up(cells / scale_cols(kind) * sizeof(float)) +
           round_up(cells / sum_cols(kind) * sizeof(int32_t));
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
        p->d = (float *)(void *)((uint8_t *)memory + round_up(cells));
        p->sum = (int32_t *)(void *)((uint8_t *)p->d +
                                     round_up(cells / scale_cols(kind) * sizeof(float)));
    }
}

void cn_act_panel_pack(const struct cn_act_panel *p, const struct cn_ops *ops, int64_t group,
                       const float *x, int64_t x_stride)
{
    const struct cn_vec *vec = &ops->vec;
    const struct cn_gemm_way *way = way_of(ops->gemm, p->kind);
    int64_t k = p->n_cols, here = p->n_tokens - group * GROUP;
    int n = here < GROUP ? (int)here : GROUP;
    if (way) {
        way->pack(p, group, n, x, x_stride);
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

int64_t cn_gemm_rows(enum cn_act_kind kind, int64_t n_cols)
{
    if (kind == CN_ACT_Q8_WIDE || kind == CN_ACT_BF16)
        return CN_WAY_ROWS;
    int64_t rows = PANEL_BYTES / n_cols / GROUP * GROUP;
    return rows < GROUP ? GROUP : rows > MAX_ROWS ? MAX_ROWS : rows;
}

static int64_t padded_cols(int64_t n_cols)
{
    return (n_cols + CN_CHUNK - 1) / CN_CHUNK * CN_CHUNK;
}

size_t cn_gemm_scratch_bytes(enum cn_act_kind kind, int64_t n_cols)
{
    if (kind == CN_ACT_Q8_WIDE || kind == CN_ACT_BF16)
        return cn_gemm_way_scratch_bytes();
    size_t rows = (size_t)cn_gemm_rows(kind, n_cols), cols = (size_t)padded_cols(n_cols);
    /* Float panels are the largest. Quantised ones have a byte of codes and one to spare per
     * column; scales and minima, at most one per 16 columns but room for 16, take less than the
     * rest. */
    return round_up(rows * cols * sizeof(float)) + OUT_BYTES;
}

void cn_gemm_store(const struct cn_gemm *gemm, const float *tile, int64_t tile_stride, int n_rows,
                   int n_tokens, float *y, int64_t y_stride)
{
    if (gemm->transpose && n_rows == GROUP && n_tokens == GROUP) {
        gemm->transpose(tile, tile_stride, y, y_stride);
        return;
    }
    for (int t = 0; t < n_tokens; t++)
        for (int r = 0; r < n_rows; r++)
            y[t * y_stride + r] = tile[r * tile_stride + t];
}

static int at_most(int64_t n, int most)
{
    return n < most ? (int)n : most;
}

void cn_gemm_run(const struct cn_gemm *gemm, const struct cn_kernels *kernels, int64_t n_rows,
                 const void *w, size_t row_bytes, const struct cn_act_panel *x, float *y,
                 int64_t y_stride, void *scratch)
{
    const struct cn_gemm_way *way = way_of(gemm, x->kind);
    if (way) {
        cn_gemm_run_way(gemm, way, kernels, n_rows, w, row_bytes, x, y, y_stride, scratch);
        return;
    }
    const struct cn_panel *kind = &kernels->panel;
    int64_t n_cols = x->n_cols, block = cn_gemm_rows(x->kind, n_cols), cols = padded_cols(n_cols);
    int64_t per_row = kind->sub ? (n_cols / kind->sub + 15) / 16 * 16 : 0;
    float *out = scratch;
    uint8_t *codes = (uint8_t *)scratch + OUT_BYTES;
    struct cn_panel_data p = {
        .kind = kind,
        .n_cols = n_cols,
        .codes = codes,
        .group_stride = (size_t)cols * GROUP * (kind->sub ? 1 : sizeof(float)),
        .scale = (float *)(void *)(codes + (size_t)block * (size_t)cols),
        .scale_stride = per_row,
    };
    p.min = p.scale + block * per_row;
    p.spare = codes + 3 * (size_t)block * (size_t)cols;
    for (int64_t r0 = 0; r0 < n_rows; r0 += block) {
        int64_t n = n_rows - r0 < block ? n_rows - r0 : block;
        for (int64_t r = 0; r < n; r++) {
            float *scale = p.scale + r * per_row, *min = p.min + r * per_row;
            kernels->unpack(n_cols, (const uint8_t *)w + (size_t)(r0 + r) * row_bytes,
                            codes + (size_t)(r / GROUP) * p.group_stride + r % GROUP * CN_CHUNK,
                            GROUP * CN_CHUNK, scale, min);
        }
        /* Rows beyond n in the last group hold old numbers; their results are not stored. */
        if (kind->sub && gemm->prepare)
            gemm->prepare(&p, n_groups(n) * GROUP);
        const int groups = kind->sub ? gemm->token_groups : 1, step = groups * GROUP;
        assert(groups == 1 || groups == 2);
        for (int64_t t = 0; t < x->n_tokens; t += step) {
            const int n_tokens = at_most(x->n_tokens - t, step);
            for (int64_t g = 0; g < n_groups(n); g++) {
                (kind->sub ? gemm->tile : gemm->tile_f32)(&p, g, x, t / GROUP, n_tokens, out);
                for (int i = 0; i < n_tokens; i += GROUP)
                    cn_gemm_store(gemm, out + i, step, at_most(n - g * GROUP, GROUP),
                                  at_most(n_tokens - i, GROUP),
                                  y + (t + i) * y_stride + r0 + g * GROUP, y_stride);
            }
        }
    }
}

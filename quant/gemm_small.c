/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once: each weight is read and unpacked once for all of them. Lanes of the sums
 * are groups of columns that share a scale, so that neither weights nor activations lie by tokens,
 * and no token is made up to fill a vector; on Arm those of what fours of tokens leave over
 * (gemm_small_arm.h). The driver, the same for every tier: rows go through
 * the format's unpacker into a tile that a first-level cache holds beside the activations.
 */
#include "quant/gemm.h"

#include <assert.h>
#include <string.h>

enum {
    ROWS = CN_SMALL_ROWS,
    MOST_COLS = CN_GEMM_COLS,
    ACT_BYTES = 32 * 1024, /* of activations at a time; see docs/SPEED.md */
    GEMV_TOKENS = 4,       /* at most, where there is nothing but the panel beside it */
    AHEAD = 8,             /* rows: weights are asked for so long before they are unpacked */
};

struct scratch {
    _Alignas(64) uint8_t acts[ACT_BYTES];
    uint8_t offset_sums[ACT_BYTES / 2];
    float d[ACT_BYTES / 16], sum[ACT_BYTES / 16];
    _Alignas(64) uint8_t tile[ROWS * MOST_COLS * 2];
    float scale[ROWS * MOST_COLS / 16], min[ROWS * MOST_COLS / 16];
    int8_t row[MOST_COLS + CN_CHUNK]; /* one row's codes, one token's activations */
};

size_t cn_gemm_small_scratch_bytes(void)
{
    return sizeof(struct scratch);
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

/* Columns at a time, so that the activations of n tokens have room. */
static int64_t block_cols(int n_tokens, int code_bytes)
{
    int64_t cols = MOST_COLS;
    while (cols * n_tokens * code_bytes > ACT_BYTES)
        cols /= 2;
    return cols;
}

/* A token's activations of n columns from c on, groups that are missing in the last unit zero. */
static void load_token(const struct cn_gemm_small *small, const struct cn_small_block *b,
                       const struct cn_act *x, int64_t c, int64_t n, int64_t t, struct scratch *s)
{
    const int64_t n_groups = b->n_units * small->lanes, sub = b->kind->sub, here = n / sub;
    float *d = s->d + t * n_groups, *sum = s->sum + t * n_groups;
    uint8_t *acts = s->acts + (size_t)t * b->bytes;
    int8_t *row = small->arrange ? s->row : (int8_t *)acts;
    memcpy(row, x->q + c, (size_t)n);
    memset(row + n, 0, (size_t)(n_groups * sub - n));
    if (small->arrange)
        small->arrange(b, 0, row, acts);
    if (b->form == CN_SMALL_SUMS)
        small->offset_sums(b, acts, s->offset_sums + (size_t)t * b->bytes / 2);
    if (sub == 32) {
        memcpy(d, x->d + c / 32, (size_t)here * sizeof *d);
        memcpy(sum, x->sum32 + c / 32, (size_t)here * sizeof *sum);
    } else {
        for (int64_t i = 0; i < here; i++) {
            d[i] = x->d[c / 32 + i / 2];
            sum[i] = d[i] * x->sum16[c / 16 + i];
        }
    }
    memset(d + here, 0, (size_t)(n_groups - here) * sizeof *d);
    memset(sum + here, 0, (size_t)(n_groups - here) * sizeof *sum);
}

/* n columns of a row, whose blocks begin `at` bytes into it, to row i of the tile. */
static void load_row(const struct cn_gemm_small *small, const struct cn_kernels *kernels,
                     const struct cn_small_block *b, const uint8_t *row, size_t at, int64_t n,
                     int64_t i, struct scratch *s)
{
    const struct cn_panel *kind = b->kind;
    const int64_t n_groups = b->n_units * small->lanes, here = n / kind->sub;
    float *scale = s->scale + i * n_groups, *min = s->min + i * n_groups;
    uint8_t *tile = s->tile + (size_t)i * b->bytes;
    cn_unpack_columns(kernels, row, at, n, small->arrange ? (uint8_t *)s->row : tile, CN_CHUNK,
                      scale, min);
    memset(scale + here, 0, (size_t)(n_groups - here) * sizeof *scale);
    if (b->form == CN_SMALL_MIN && !kind->has_min)
        for (int64_t g = 0; g < here; g++)
            min[g] = scale[g] * kind->offset;
    memset(min + here, 0, (size_t)(n_groups - here) * sizeof *min);
    if (small->arrange)
        small->arrange(b, b->form == CN_SMALL_SIGNED ? kind->offset : 0, s->row, tile);
}

bool cn_gemm_has_small(const struct cn_gemm *gemm, const struct cn_kernels *kernels)
{
    return gemm->small && kernels->panel.sub;
}

/* A header's factor is in the scales here, and gemv multiplies with it at the end of a row; shorter
 * blocks of columns are added up more often. */
bool cn_gemm_small_as_gemv(const struct cn_ops *ops, const struct cn_kernels *kernels, int n_tokens)
{
    if (!cn_gemm_has_small(ops->gemm, kernels))
        return true;
    const struct cn_gemm_small *small = ops->gemm->small;
    return ops->tiers & small->gemv_tiers && kernels->panel.sub == 32 && !kernels->header_bytes &&
           block_cols(n_tokens, small->signed_bytes) == MOST_COLS;
}

enum cn_way cn_gemm_way(const struct cn_gemm *gemm, const struct cn_kernels *kernels,
                        int64_t n_tokens)
{
    if (n_tokens == 1)
        return CN_WAY_GEMV;
    if (!cn_gemm_has_small(gemm, kernels))
        return n_tokens <= GEMV_TOKENS ? CN_WAY_GEMV : CN_WAY_PANEL;
    const enum cn_small_form form = gemm->small->form(&kernels->panel);
    return n_tokens < gemm->small->least_tokens[form]   ? CN_WAY_GEMV
           : n_tokens <= gemm->small->most_tokens[form] ? CN_WAY_SMALL
                                                        : CN_WAY_PANEL;
}

void cn_gemm_small_run(const struct cn_gemm *gemm, const struct cn_kernels *kernels, int64_t n_rows,
                       int64_t n_cols, const void *w, size_t row_bytes, const struct cn_act *x,
                       int n_tokens, float *y, int64_t y_stride, void *scratch)
{
    const struct cn_gemm_small *small = gemm->small;
    if (!cn_gemm_has_small(gemm, kernels)) {
        for (int t = 0; t < n_tokens; t++)
            kernels->gemv(n_rows, n_cols, w, row_bytes, x + t, y + t * y_stride);
        return;
    }
    assert(n_tokens <= CN_SMALL_TOKENS);
    struct scratch *s = scratch;
    struct cn_small_block b = { .kind = &kernels->panel,
                                .form = small->form(&kernels->panel),
                                .n_tokens = n_tokens,
                                .codes = s->tile,
                                .acts = s->acts,
                                .scale = s->scale,
                                .min = s->min,
                                .d = s->d,
                                .sum = s->sum,
                                .offset_sums = s->offset_sums,
                                .y_stride = y_stride };
    const int code_bytes = b.form == CN_SMALL_SIGNED ? small->signed_bytes : 1;
    const int64_t cols = block_cols(n_tokens, code_bytes), unit = small->lanes * b.kind->sub;
    const size_t header = kernels->header_bytes, blocks_bytes = row_bytes - header;
    for (int64_t c = 0; c < n_cols; c += cols) {
        const int64_t n = at_most(n_cols - c, cols);
        const size_t at = header + blocks_bytes * (size_t)c / (size_t)n_cols;
        const size_t n_bytes = blocks_bytes * (size_t)n / (size_t)n_cols;
        b.n_units = (n + unit - 1) / unit;
        b.bytes = (size_t)(b.n_units * unit * code_bytes);
        b.add = c > 0;
        for (int t = 0; t < n_tokens; t++)
            load_token(small, &b, x + t, c, n, t, s);
        if (small->group)
            small->group(&b, s->acts, s->d, s->sum, s->offset_sums);
        for (int64_t r = 0; r < n_rows; r += ROWS) {
            const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes;
            b.n_rows = (int)at_most(n_rows - r, ROWS);
            for (int64_t i = 0; i < b.n_rows; i++, row += row_bytes) {
                if (r + i + AHEAD < n_rows)
                    cn_gemm_prefetch(row + AHEAD * row_bytes + at, n_bytes);
                load_row(small, kernels, &b, row, at, n, i, s);
            }
            b.y = y + r;
            small->multiply(&b);
        }
    }
}

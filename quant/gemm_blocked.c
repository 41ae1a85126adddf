/* SPDX-License-Identifier: MIT
 *
 * The panel GEMM's other driver, for weights and activations rounded to what a tier multiplies
 * fastest (struct cn_gemm_blocked). Blocks of columns keep a panel, the activations it meets and
 * the sums in a core's own cache, whatever the length of the rows: docs/KERNELS.md.
 */
#include "quant/gemm.h"

#include <string.h>

enum {
    GROUP = CN_PANEL_ROWS,
    ROWS = CN_BLOCKED_ROWS,
    TOKENS = 512, /* with sums in the scratch; more tokens mean another unpacking */
    PER_ROW = CN_BLOCK_COLS / 16,
};

struct scratch {
    _Alignas(64) uint8_t panel[ROWS * CN_BLOCK_COLS * sizeof(uint16_t)];
    float scale256[ROWS * CN_BLOCK_COLS / CN_WIDE];
    /* One row as it was unpacked. */
    uint8_t codes[CN_BLOCK_COLS];
    float scale[PER_ROW], min[PER_ROW];
    float sums[ROWS * TOKENS];
};

size_t cn_gemm_blocked_scratch_bytes(void)
{
    return sizeof(struct scratch);
}

/* n_rows rows of n_cols columns, n_bytes `at` bytes into each row, to the panel. Rows that are
 * missing in the last group are zeros. */
static void fill(const struct cn_gemm_blocked *blocked, const struct cn_kernels *kernels,
                 int64_t n_rows, int64_t n_cols, const uint8_t *w, size_t row_bytes, size_t at,
                 size_t n_bytes, struct scratch *s)
{
    const size_t code_bytes = blocked->act == CN_ACT_BF16 ? sizeof(uint16_t) : 1;
    const size_t group_bytes = (size_t)(n_cols * GROUP) * code_bytes;
    const int64_t n_wide = n_cols / CN_WIDE;
    for (int64_t r = 0; r < n_rows; r++, w += row_bytes) {
        uint8_t *to = s->panel + (size_t)(r / GROUP) * group_bytes + r % GROUP * CN_CHUNK;
        if (r + CN_GEMM_AHEAD < n_rows)
            cn_gemm_prefetch(w + CN_GEMM_AHEAD * row_bytes + at, n_bytes);
        cn_unpack_columns(kernels, w, at, n_cols, s->codes, CN_CHUNK, s->scale, s->min);
        blocked->convert(&kernels->panel, n_cols, s->codes, s->scale, s->min, to,
                         s->scale256 + r / GROUP * n_wide * GROUP + r % GROUP);
    }
    for (int64_t r = n_rows; r % GROUP; r++) {
        uint8_t *to = s->panel + (size_t)(r / GROUP) * group_bytes + r % GROUP * CN_CHUNK;
        for (size_t i = 0; i < group_bytes; i += GROUP * CN_CHUNK)
            memset(to + i, 0, CN_CHUNK);
        for (int64_t i = 0; i < n_wide; i++)
            s->scale256[(r / GROUP * n_wide + i) * GROUP + r % GROUP] = 0;
    }
}

/* n_rows <= ROWS, n_tokens <= TOKENS from group `first` on. wide_bytes: of 256 columns of a row. */
static void block(const struct cn_gemm *gemm, const struct cn_gemm_blocked *blocked,
                  const struct cn_kernels *kernels, size_t wide_bytes, int64_t n_rows,
                  const uint8_t *w, size_t row_bytes, const struct cn_act_panel *x, int64_t first,
                  int64_t n_tokens, float *y, int64_t y_stride, struct scratch *s)
{
    const int64_t k = x->n_cols, all = (x->n_tokens + GROUP - 1) / GROUP;
    const bool wide = blocked->act == CN_ACT_Q8_WIDE;
    struct cn_gemm_block b = {
        .n_row_groups = (n_rows + GROUP - 1) / GROUP,
        .n_token_groups = (n_tokens + GROUP - 1) / GROUP,
        .codes = s->panel,
        .scale = s->scale256,
        .act_stride = k / CN_WIDE * GROUP,
        .out = s->sums,
    };
    for (int64_t c = 0; c < k; c += CN_BLOCK_COLS) {
        b.first = c == 0;
        b.n_cols = k - c < CN_BLOCK_COLS ? k - c : CN_BLOCK_COLS;
        fill(blocked, kernels, n_rows, b.n_cols, w, row_bytes,
             kernels->header_bytes + (size_t)(c / CN_WIDE) * wide_bytes,
             (size_t)(b.n_cols / CN_WIDE) * wide_bytes, s);
        const int64_t at = c * GROUP * all + first * b.n_cols * GROUP;
        b.acts = wide ? (const void *)(x->q + at) : x->h + at;
        if (wide) {
            b.d = x->d + first * b.act_stride + c / CN_WIDE * GROUP;
            b.sum = x->sum + first * b.act_stride + c / CN_WIDE * GROUP;
        }
        blocked->multiply(&b);
    }
    for (int64_t t = 0; t < b.n_token_groups; t++)
        for (int64_t g = 0; g < b.n_row_groups; g++) {
            const int64_t rows = n_rows - g * GROUP, tokens = n_tokens - t * GROUP;
            cn_gemm_store(gemm, s->sums + (t * b.n_row_groups + g) * GROUP * GROUP, GROUP,
                          (int)(rows < GROUP ? rows : GROUP),
                          (int)(tokens < GROUP ? tokens : GROUP),
                          y + t * GROUP * y_stride + g * GROUP, y_stride, false);
        }
}

void cn_gemm_run_blocked(const struct cn_gemm *gemm, const struct cn_gemm_blocked *blocked,
                         const struct cn_kernels *kernels, int64_t n_rows, const void *w,
                         size_t row_bytes, const struct cn_act_panel *x, float *y, int64_t y_stride,
                         void *scratch)
{
    const size_t wide_bytes = (row_bytes - kernels->header_bytes) / (size_t)(x->n_cols / CN_WIDE);
    for (int64_t t = 0; t < x->n_tokens; t += TOKENS)
        for (int64_t r = 0; r < n_rows; r += ROWS)
            block(gemm, blocked, kernels, wide_bytes, n_rows - r < ROWS ? n_rows - r : ROWS,
                  (const uint8_t *)w + (size_t)r * row_bytes, row_bytes, x, t / GROUP,
                  x->n_tokens - t < TOKENS ? x->n_tokens - t : TOKENS, y + t * y_stride + r,
                  y_stride, scratch);
}

/* SPDX-License-Identifier: MIT
 *
 * Inside of the panel GEMM: what a tier provides. The driver is quant/gemm.c, the layouts are in
 * quant.h and docs/KERNELS.md.
 */
#ifndef CN_GEMM_H
#define CN_GEMM_H

#include "quant/quant.h"

/* A panel in memory: rows in groups of CN_PANEL_ROWS, the last group zero-padded. */
struct cn_panel_data {
    const struct cn_panel *kind;
    int64_t n_cols;
    size_t group_stride; /* bytes from one row group's codes to the next */
    uint8_t *codes;
    float *scale; /* row r's at scale + r * scale_stride */
    float *min;   /* only if kind->has_min */
    int64_t scale_stride;
};

struct cn_gemm {
    const char *name;
    /* May rewrite the unpacked panel to what `tile` likes best; NULL: nothing to do. n_rows is a
     * multiple of CN_PANEL_ROWS. */
    void (*prepare)(struct cn_panel_data *p, int64_t n_rows);
    /* How many groups of 16 tokens `tile` takes at once, 1 or 2. */
    int token_groups;
    /* One group of 16 rows times n_tokens tokens from group `token_group` on, n_tokens at most
     * 16 * token_groups: out[row * 16 * token_groups + token], overwritten (also beyond n_tokens).
     * row_group counts groups of 16 rows. */
    void (*tile)(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                 int64_t token_group, int n_tokens, float *out);
    /* The same for float panels, always one group of 16 tokens: out[row * 16 + token]. */
    void (*tile_f32)(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                     int64_t token_group, int n_tokens, float *out);
};

#endif

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
    int64_t n_cols;      /* may be fewer than the activations have: a block of columns */
    size_t group_stride; /* bytes from one row group's codes to the next */
    uint8_t *codes;
    float *scale; /* row r's at scale + r * scale_stride */
    float *min;   /* only if kind->has_min */
    int64_t scale_stride;
    uint8_t *spare; /* for `prepare` and `prepare_tokens`: as large as codes */
};

/* A block of the blocked product: rows times columns times tokens that caches hold. Weights
 * and activations are rounded to what a tier multiplies fastest: 8 bits with one scale per 256
 * columns (wide), or bf16. 64 bytes of a row at a time make up a chunk, as everywhere. */
struct cn_gemm_block {
    int64_t n_cols; /* 256 or 512 */
    int64_t n_row_groups, n_token_groups;
    const uint8_t *codes; /* [row group][chunk][16 rows][64] */
    const float *scale;   /* wide: [row group][n_cols / 256][16 rows] */
    const void *acts;     /* [token group][chunk][16][16 tokens][4 bytes] */
    const float *d;       /* wide: token group g's are [n_cols / 256][16] at d + g * act_stride */
    const int32_t *sum;   /* wide: sums of q, the same layout */
    int64_t act_stride;
    float *out; /* [token group][row group][16 rows][16 tokens]: added to, */
    bool first; /* or, of the first columns, overwritten */
};

/* Kernels of a blocked product. */
struct cn_gemm_blocked {
    enum cn_act_kind act; /* CN_ACT_Q8_WIDE or CN_ACT_BF16 */
    int zero;             /* wide: the code of 0. 0: codes are signed bytes, 128: unsigned ones */
    /* Fills one group of the panel; tokens from n on are zeros. wide: 256 columns with a NaN or an
     * infinity get d = NaN and q = 0, those all below CN_WIDE_SMALLEST d = 0 and q = 0. */
    void (*pack)(const struct cn_act_panel *p, int64_t group, int n, const float *x,
                 int64_t x_stride);
    /* n_cols (a multiple of 256) columns of a row, as `unpack` gave them with adjoining chunks, to
     * chunks CN_PANEL_ROWS * CN_CHUNK bytes apart. wide: scale256[i * 16] for the i-th 256 columns
     * is 1/127 of the largest magnitude that their codes could have, so that new codes are within
     * 127 of `zero`, and off by at most 17/32; NaN where that magnitude is not finite, 0 and all
     * codes `zero` where it is below CN_WIDE_SMALLEST. bf16: rounded to nearest even. */
    void (*convert)(const struct cn_panel *kind, int64_t n_cols, const uint8_t *codes,
                    const float *scale, const float *min, uint8_t *to, float *scale256);
    void (*multiply)(const struct cn_gemm_block *b);
};
#define CN_WIDE_SMALLEST 0x1p-100f /* 127 / x must be finite */

/* A few tokens at once (gemm_small.c). `lanes` groups of columns that share a scale make up a unit,
 * and lane g of its integer sums is group g: that is how arrange() leaves codes and activations.
 * What becomes of the codes' offset is a tier's choice for a kind of panels: */
enum cn_small_form {
    CN_SMALL_MIN,    /* times the scale it is a part of the minimum */
    CN_SMALL_SIGNED, /* it is removed, by arrange() or by multiply(): codes are signed numbers of
                      * signed_bytes */
    CN_SMALL_SUMS,   /* it is taken out of the integer sums, by what offset_sums() made */
};
enum { CN_SMALL_ROWS = 4 };
struct cn_small_block {
    const struct cn_panel *kind;
    enum cn_small_form form;
    int64_t n_units;
    int n_rows, n_tokens; /* at most CN_SMALL_ROWS; at most CN_SMALL_TOKENS */
    const uint8_t *codes; /* of rows, arranged; rows beyond n_rows hold old numbers */
    const uint8_t *acts;  /* of tokens, arranged */
    size_t bytes;         /* from one row to the next, and from one token to the next */
    const float *scale;   /* [row][n_units * lanes] */
    const float *min;     /* the same, of CN_SMALL_MIN */
    const float *d, *sum; /* [token][n_units * lanes]: scales, and d * (sum of q) of the group */
    const uint8_t *offset_sums; /* of tokens, half as many bytes as there are acts */
    float *y;                   /* y[t * y_stride + r]: overwritten, */
    int64_t y_stride;
    bool add; /* or added to */
};
struct cn_gemm_small {
    int lanes, signed_bytes;
    /* Where groups are of 32 columns, sums of floats are added in the order of the gemv of each of
     * these tiers (a mask); 0: of none. */
    uint32_t gemv_tiers;
    /* By form: from how many tokens on this is faster than gemv for each, and up to how many it is
     * faster than the panel (at most CN_SMALL_TOKENS). */
    int least_tokens[3], most_tokens[3];
    enum cn_small_form (*form)(const struct cn_panel *kind);
    /* b->n_units units of bytes as they lie in a row, less `offset`, to the order and width that
     * multiply() wants of codes and activations of such a block; NULL: they stay as they are. */
    void (*arrange)(const struct cn_small_block *b, int offset, const int8_t *from, uint8_t *to);
    /* CN_SMALL_SUMS: what a token's arranged activations and an offset make, at most half as many
     * bytes. */
    void (*offset_sums)(const struct cn_small_block *b, const uint8_t *acts, uint8_t *to);
    /* All tokens' activations, d and sum to the order that multiply() wants; there is room for
     * tokens to a multiple of four. `spare` has half as much as there is for activations. NULL:
     * nothing to do. */
    void (*group)(const struct cn_small_block *b, uint8_t *acts, float *d, float *sum,
                  uint8_t *spare);
    void (*multiply)(const struct cn_small_block *b);
};
size_t cn_gemm_small_scratch_bytes(void);
/* Whether cn_gemm_small_run() gives tokens the very bits that gemv gives each of them. */
bool cn_gemm_small_as_gemv(const struct cn_ops *ops, const struct cn_kernels *kernels);

/* What a format without a header may have of its own for a few tokens, where the tier's
 * cn_gemm_small is; in whole units. */
struct cn_small_format {
    /* cn_unpack_fn, but codes as arrange() leaves them; min is not written without minima. */
    void (*unpack)(int64_t n_cols, const void *blocks, uint8_t *codes, float *scale, float *min);
    /* n_rows rows from w on, unpacked in registers a unit at a time, times b's tokens, at most
     * CN_SMALL_FEW; b has no codes, scales and minima. Writes y or adds to it as multiply(), of
     * n_rows rows. NULL: none. */
    void (*rows)(const struct cn_small_block *b, int64_t n_rows, const void *w, size_t row_bytes);
};
enum { CN_SMALL_FEW = 8 };

struct cn_gemm {
    const char *name;
    /* May rewrite the unpacked panel to what `tile` likes best; NULL: nothing to do. n_rows is a
     * multiple of CN_PANEL_ROWS. */
    void (*prepare)(struct cn_panel_data *p, int64_t n_rows);
    /* May leave in p->spare what the tiles of group `token_group` need, which are next; NULL:
     * nothing to do. x as for `tile`. */
    void (*prepare_tokens)(struct cn_panel_data *p, const struct cn_act_panel *x,
                           int64_t token_group);
    /* How many groups of 16 tokens `tile` takes at once, 1 or 2. */
    int token_groups;
    /* One group of 16 rows times n_tokens tokens from group `token_group` on, n_tokens at most
     * 16 * token_groups: out[row * 16 * token_groups + token], overwritten (also beyond n_tokens).
     * row_group counts groups of 16 rows. x points to the panel's first column, x->n_cols is what
     * lies from one group of tokens to the next. */
    void (*tile)(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                 int64_t token_group, int n_tokens, float *out);
    /* The same for float panels, always one group of 16 tokens: out[row * 16 + token]. */
    void (*tile_f32)(const struct cn_panel_data *p, int64_t row_group, const struct cn_act_panel *x,
                     int64_t token_group, int n_tokens, float *out);
    /* y[i * y_stride + r] = tile[r * tile_stride + i] of 16 x 16, or += if `add`; NULL: plain C
     * does. */
    void (*transpose)(const float *tile, int64_t tile_stride, float *y, int64_t y_stride, bool add);
    const struct cn_gemm_small *small; /* NULL: token by token */
    int few_tokens; /* with the format's own `few`, up to how many it is faster than the panel */
    const struct cn_gemm_blocked *fast;  /* precision fast; NULL: this tier has none */
    const struct cn_gemm_blocked *exact; /* replaces the tiles of formats with codes; NULL: none */
};

/* Asks for n_bytes of weights, CN_GEMM_AHEAD rows before they are unpacked, or of a cache's rows.
 */
enum { CN_GEMM_AHEAD = 4 };
static inline void cn_gemm_prefetch(const uint8_t *p, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i += 64)
        __builtin_prefetch(p + i);
}

/* gemm_blocked.c: cn_gemm_run of panels that `blocked` packed. */
enum { CN_BLOCKED_ROWS = 128 };
size_t cn_gemm_blocked_scratch_bytes(void);
void cn_gemm_run_blocked(const struct cn_gemm *gemm, const struct cn_gemm_blocked *blocked,
                         const struct cn_kernels *kernels, int64_t n_rows, const void *w,
                         size_t row_bytes, const struct cn_act_panel *x, float *y, int64_t y_stride,
                         void *scratch);
/* gemm_store.c: stores the n_rows x n_tokens corner of a 16 x 16 tile, or adds it to what y holds.
 */
void cn_gemm_store(const struct cn_gemm *gemm, const float *tile, int64_t tile_stride, int n_rows,
                   int n_tokens, float *y, int64_t y_stride, bool add);

#endif

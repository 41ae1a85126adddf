/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once: each weight is read and unpacked once for all of them. Lanes of the sums
 * are groups of columns that share a scale, so that neither weights nor activations lie by tokens,
 * and no token is made up to fill a vector; on Arm those of what fours of tokens leave over
 * (gemm_small_arm.h). The driver, the same for every tier: rows go through the format's unpacker
 * into a tile that a first-level cache holds, activations stay in a core's own.
 */
#include "quant/gemm.h"

#include <assert.h>
#include <string.h>

enum {
    ROWS = CN_SMALL_ROWS,
    MOST_COLS = CN_GEMM_COLS, /* of a tile */
    ACT_BYTES = 128 * 1024,   /* of activations at a time; see docs/SPEED.md */
    GEMV_TOKENS = 4,          /* at most, where there is nothing but the panel beside it */
    FEW_BYTES = 32 * 1024,    /* of activations that stay in a first-level cache */
    STEP = 4, /* tokens that a tile is multiplied with at a time, where they are not grouped */
};

/* Activations lie by blocks of MOST_COLS columns (the last may be shorter), then by tokens. */
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
    return sizeof(struct scratch) > CN_FEW_SCRATCH ? sizeof(struct scratch) : CN_FEW_SCRATCH;
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

static int code_bytes_of(const struct cn_gemm_small *small, enum cn_small_form form)
{
    return form == CN_SMALL_SIGNED ? small->signed_bytes : 1;
}

/* Tokens that there is room for in a block of n: groups are of four. */
static int slots_of(const struct cn_gemm_small *small, int n_tokens)
{
    return small->group ? (n_tokens + 3) / 4 * 4 : n_tokens;
}

/* Columns at a time, so that the activations of so many tokens have room. */
static int64_t pass_cols(int slots, int code_bytes)
{
    return ACT_BYTES / (slots * code_bytes) / MOST_COLS * MOST_COLS;
}

/* Turns to a block of n columns. */
static void set_columns(const struct cn_gemm_small *small, int64_t n, struct cn_small_block *b)
{
    const int64_t unit = small->lanes * b->kind->sub;
    b->n_units = (n + unit - 1) / unit;
    b->bytes = (size_t)(b->n_units * unit * code_bytes_of(small, b->form));
}

/* Where the activations of token t lie, in bytes, of a block that begins with column c of the pass;
 * their groups likewise. */
static size_t acts_at(const struct cn_gemm_small *small, const struct cn_small_block *b, int64_t c,
                      int64_t slots, int64_t t)
{
    return (size_t)(c * slots * code_bytes_of(small, b->form)) + (size_t)t * b->bytes;
}

static int64_t groups_at(const struct cn_gemm_small *small, const struct cn_small_block *b,
                         int64_t c, int64_t slots, int64_t t)
{
    return c * slots / b->kind->sub + t * b->n_units * small->lanes;
}

/* Turns to n_tokens tokens from t on. */
static void set_tokens(const struct cn_gemm_small *small, const struct scratch *s, int64_t c,
                       int64_t slots, int64_t t, int n_tokens, struct cn_small_block *b)
{
    const size_t at = acts_at(small, b, c, slots, t);
    const int64_t group = groups_at(small, b, c, slots, t);
    b->n_tokens = n_tokens;
    b->acts = s->acts + at;
    b->offset_sums = s->offset_sums + at / 2;
    b->d = s->d + group;
    b->sum = s->sum + group;
}

/* Token t's activations of n columns to the block that begins with column c of the pass, groups
 * that are missing in its last unit zero. x_c: their column in the row. */
static void load_token(const struct cn_gemm_small *small, const struct cn_small_block *b,
                       const struct cn_act *x, int64_t x_c, int64_t c, int64_t n, int64_t slots,
                       int64_t t, struct scratch *s)
{
    const int64_t n_groups = b->n_units * small->lanes, sub = b->kind->sub, here = n / sub;
    const size_t at = acts_at(small, b, c, slots, t);
    float *d = s->d + groups_at(small, b, c, slots, t),
          *sum = s->sum + groups_at(small, b, c, slots, t);
    const int8_t *q = x->q + x_c;
    int8_t *row = small->arrange ? s->row : (int8_t *)(s->acts + at);
    if (here < n_groups || !small->arrange) {
        memcpy(row, q, (size_t)n);
        memset(row + n, 0, (size_t)(n_groups * sub - n));
        q = row;
    }
    if (small->arrange)
        small->arrange(b, 0, q, s->acts + at);
    if (b->form == CN_SMALL_SUMS)
        small->offset_sums(b, s->acts + at, s->offset_sums + at / 2);
    if (sub == 32) {
        memcpy(d, x->d + x_c / 32, (size_t)here * sizeof *d);
        memcpy(sum, x->sum32 + x_c / 32, (size_t)here * sizeof *sum);
    } else {
        for (int64_t i = 0; i < here; i++) {
            d[i] = x->d[x_c / 32 + i / 2];
            sum[i] = d[i] * x->sum16[x_c / 16 + i];
        }
    }
    memset(d + here, 0, (size_t)(n_groups - here) * sizeof *d);
    memset(sum + here, 0, (size_t)(n_groups - here) * sizeof *sum);
}

/* A block's tokens, once all are there. */
static void group_tokens(const struct cn_gemm_small *small, struct cn_small_block *b, int64_t c,
                         int64_t slots, int n_tokens, struct scratch *s)
{
    const int64_t group = groups_at(small, b, c, slots, 0);
    b->n_tokens = n_tokens;
    if (small->group)
        small->group(b, s->acts + acts_at(small, b, c, slots, 0), s->d + group, s->sum + group,
                     s->offset_sums);
}

/* Weights that are asked for: n_rows pieces of n_lines cache lines, row_bytes from one to the next,
 * from line `line` of the first on. */
struct asked {
    const uint8_t *row;
    size_t row_bytes;
    int64_t n_lines, line, n_rows;
};

/* Asks for the next n lines. More at once than a core can have under way would make it wait. */
static void ask(struct asked *a, int64_t n)
{
    while (n > 0 && a->n_rows > 0) {
        const int64_t here = at_most(n, a->n_lines - a->line);
        cn_gemm_prefetch(a->row + a->line * CN_CHUNK, (size_t)here * CN_CHUNK);
        n -= here;
        a->line += here;
        if (a->line == a->n_lines) {
            a->line = 0;
            a->row += a->row_bytes;
            a->n_rows--;
        }
    }
}

/* n columns of a row, whose blocks begin `at` bytes into it, to row i of the tile. */
static void load_row(const struct cn_gemm_small *small, const struct cn_kernels *kernels,
                     const struct cn_small_block *b, const uint8_t *row, size_t at, int64_t n,
                     int64_t i, struct scratch *s)
{
    const struct cn_panel *kind = b->kind;
    const int64_t n_groups = b->n_units * small->lanes, here = n / kind->sub;
    float *scale = s->scale + i * n_groups, *min = s->min + i * n_groups;
    uint8_t *codes = s->tile + (size_t)i * b->bytes;
    if (kernels->small && here == n_groups) {
        kernels->small->unpack(n, row + at, codes, scale, min);
    } else {
        cn_unpack_columns(kernels, row, at, n, small->arrange ? (uint8_t *)s->row : codes, CN_CHUNK,
                          scale, min);
        if (small->arrange)
            small->arrange(b, b->form == CN_SMALL_SIGNED ? kind->offset : 0, s->row, codes);
    }
    memset(scale + here, 0, (size_t)(n_groups - here) * sizeof *scale);
    if (b->form == CN_SMALL_MIN && !kind->has_min)
        for (int64_t g = 0; g < here; g++)
            min[g] = scale[g] * kind->offset;
    memset(min + here, 0, (size_t)(n_groups - here) * sizeof *min);
}

/* Whether the tier leaves a few tokens to the format's own `few`. */
static bool has_few(const struct cn_gemm *gemm, const struct cn_kernels *kernels)
{
    return gemm->few_tokens && kernels->few;
}

bool cn_gemm_has_small(const struct cn_gemm *gemm, const struct cn_kernels *kernels)
{
    return has_few(gemm, kernels) || (gemm->small && kernels->panel.sub);
}

/* A header's factor is in the scales here, and gemv multiplies with it at the end of a row. */
bool cn_gemm_small_as_gemv(const struct cn_ops *ops, const struct cn_kernels *kernels)
{
    if (has_few(ops->gemm, kernels) || !cn_gemm_has_small(ops->gemm, kernels))
        return true;
    const struct cn_gemm_small *small = ops->gemm->small;
    return ops->tiers & small->gemv_tiers && kernels->panel.sub == 32 && !kernels->header_bytes;
}

enum cn_way cn_gemm_way(const struct cn_gemm *gemm, const struct cn_kernels *kernels,
                        int64_t n_tokens)
{
    if (n_tokens == 1)
        return CN_WAY_GEMV;
    if (!cn_gemm_has_small(gemm, kernels))
        return n_tokens <= GEMV_TOKENS ? CN_WAY_GEMV : CN_WAY_PANEL;
    if (has_few(gemm, kernels))
        return n_tokens <= gemm->few_tokens ? CN_WAY_SMALL : CN_WAY_PANEL;
    const enum cn_small_form form = gemm->small->form(&kernels->panel);
    return n_tokens < gemm->small->least_tokens[form]   ? CN_WAY_GEMV
           : n_tokens <= gemm->small->most_tokens[form] ? CN_WAY_SMALL
                                                        : CN_WAY_PANEL;
}

/* The weights of a product. */
struct weights {
    const struct cn_kernels *kernels;
    const uint8_t *first;
    size_t row_bytes;
    int64_t n_rows, n_cols;
};

/* Bytes of n columns of a row: whole blocks of every format. */
static size_t bytes_of(const struct weights *w, int64_t n)
{
    return (w->row_bytes - w->kernels->header_bytes) * (size_t)n / (size_t)w->n_cols;
}

/* Where column c of a row begins in it. */
static size_t column_at(const struct weights *w, int64_t c)
{
    return w->kernels->header_bytes + bytes_of(w, c);
}

/* A tile's weights: n columns from c on of the rows from r on. */
static struct asked tile_at(const struct weights *w, int64_t r, int64_t c, int64_t n)
{
    return (struct asked){ .row = w->first + (size_t)r * w->row_bytes + column_at(w, c),
                           .row_bytes = w->row_bytes,
                           .n_lines = (int64_t)(bytes_of(w, n) / CN_CHUNK) + 1,
                           .n_rows = at_most(w->n_rows - r, ROWS) };
}

/* A tile of rows and columns of which b knows how many, times n_tokens tokens, whose block begins
 * with column c_pass of the pass; meanwhile the weights `next` are asked for. */
static void run_tile(const struct cn_gemm_small *small, const struct weights *w,
                     struct cn_small_block *b, int64_t r, int64_t c, int64_t c_pass, int64_t n,
                     int n_tokens, float *y, struct asked next, struct scratch *s)
{
    const int step = small->group ? n_tokens : STEP, slots = slots_of(small, n_tokens);
    const int64_t steps = b->n_rows + (n_tokens + step - 1) / step,
                  lines = next.n_rows * next.n_lines / steps + 1;
    const uint8_t *row = w->first + (size_t)r * w->row_bytes;
    for (int64_t i = 0; i < b->n_rows; i++, row += w->row_bytes) {
        ask(&next, lines);
        load_row(small, w->kernels, b, row, column_at(w, c), n, i, s);
    }
    for (int t = 0; t < n_tokens; t += step) {
        ask(&next, lines);
        set_tokens(small, s, c_pass, slots, t, (int)at_most(n_tokens - t, step), b);
        b->y = y + r + t * b->y_stride;
        small->multiply(b);
    }
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
    if (has_few(gemm, kernels)) {
        /* Equal parts: behind the first weights come from a core's own cache. */
        const int parts = (n_tokens + CN_FEW - 1) / CN_FEW, part = (n_tokens + parts - 1) / parts;
        for (int t = 0; t < n_tokens; t += part)
            kernels->few(n_rows, n_cols, w, row_bytes, x + t, (int)at_most(n_tokens - t, part),
                         y + t * y_stride, y_stride, scratch);
        return;
    }
    struct scratch *s = scratch;
    const struct weights all = { kernels, w, row_bytes, n_rows, n_cols };
    struct cn_small_block b = { .kind = &kernels->panel,
                                .form = small->form(&kernels->panel),
                                .codes = s->tile,
                                .scale = s->scale,
                                .min = s->min,
                                .y_stride = y_stride };
    if (kernels->small && kernels->small->rows && n_tokens <= CN_SMALL_FEW &&
        n_tokens * n_cols <= FEW_BYTES && n_cols % (small->lanes * b.kind->sub) == 0) {
        set_columns(small, n_cols, &b);
        for (int t = 0; t < n_tokens; t++)
            load_token(small, &b, x + t, 0, 0, n_cols, n_tokens, t, s);
        set_tokens(small, s, 0, n_tokens, 0, n_tokens, &b);
        b.y = y;
        kernels->small->rows(&b, n_rows, w, row_bytes);
        return;
    }
    const int slots = slots_of(small, n_tokens);
    const int64_t cols = pass_cols(slots, code_bytes_of(small, b.form));
    for (int64_t c0 = 0; c0 < n_cols; c0 += cols) {
        const int64_t end = at_most(n_cols, c0 + cols);
        for (int64_t c = c0; c < end; c += MOST_COLS) {
            const int64_t n = at_most(end - c, MOST_COLS);
            set_columns(small, n, &b);
            for (int t = 0; t < n_tokens; t++)
                load_token(small, &b, x + t, c, c - c0, n, slots, t, s);
            group_tokens(small, &b, c - c0, slots, n_tokens, s);
        }
        for (int64_t r = 0; r < n_rows; r += ROWS)
            for (int64_t c = c0; c < end; c += MOST_COLS) {
                const int64_t n = at_most(end - c, MOST_COLS);
                const int64_t r_next = c + MOST_COLS < end ? r : r + ROWS;
                const int64_t c_next = c + MOST_COLS < end ? c + MOST_COLS : c0;
                set_columns(small, n, &b);
                b.n_rows = (int)at_most(n_rows - r, ROWS);
                b.add = c > 0;
                run_tile(small, &all, &b, r, c, c - c0, n, n_tokens, y,
                         tile_at(&all, r_next, c_next, at_most(end - c_next, MOST_COLS)), s);
            }
    }
}

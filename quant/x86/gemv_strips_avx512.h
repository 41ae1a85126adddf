/* SPDX-License-Identifier: MIT
 *
 * gemv of the formats whose products are made by steps of 256 or 512 columns, for one token and for
 * a few.
 *
 * For a few, step() is inlined once for each of them: what it makes of the weights the compiler
 * makes once, and what is left for each token is the products and what scales their sums. Every
 * token gets the bits of gemv: the same operations, in the same order. Activations go by pieces of
 * columns that a first-level cache holds for all tokens; between pieces the sums of a few rows,
 * still by lanes, wait in memory.
 */
#ifndef CN_GEMV_STRIPS_AVX512_H
#define CN_GEMV_STRIPS_AVX512_H

#include "quant/gemm.h"
#include "quant/x86/simd_avx512.h"

/* Columns of activations that are put in order at a time; they should leave room in a first-level
 * cache (of one token; of a few a piece does, of more than eight half a piece). */
enum { STRIP_COLS = 8192, PIECE = 2048 / 256, FEW_ROWS = 32, ROWS_AHEAD = 4 };

/* How a format does it. Its blocks are block_elems columns in block_bytes bytes. arrange() makes
 * the lanes of step_cols (256, or 512 of blocks of 256: one or two structs) columns from column c
 * on; step() adds their products to the 16 sums `total`. */
struct strips {
    void (*arrange)(const struct cn_act *x, int64_t c, struct lanes *to);
    __m512 (*step)(const uint8_t *b, const struct lanes *x, __m512 total);
    int block_elems, block_bytes, step_cols;
};

/* They are inlined, so that the compiler knows the format; where that takes it minutes
 * (tests/avx512_in_c.h) they are called. */
#ifndef BY_FORMAT
#define BY_FORMAT ALWAYS
#endif

ALWAYS int structs_of(const struct strips *f)
{
    return f->step_cols / 256;
}

ALWAYS int step_bytes_of(const struct strips *f)
{
    return f->step_cols / f->block_elems * f->block_bytes;
}

/* The lanes of a step of which n columns are there, from column c on; the others are zeros. */
BY_FORMAT void arrange_step(const struct strips *f, const struct cn_act *x, int64_t c, int64_t n,
                            struct lanes *to)
{
    if (n >= f->step_cols) {
        f->arrange(x, c, to);
        return;
    }
    const size_t rest = (size_t)n;
    int8_t q[512] = { 0 };
    float d[16] = { 0 }, sum32[16] = { 0 };
    int16_t sum16[32] = { 0 };
    for (int i = 0; i < structs_of(f); i++) {
        memcpy(q + 256 * i, x->q + c, rest);
        memcpy(d + 8 * i, x->d + c / 32, rest / 32 * sizeof *d);
        memcpy(sum32 + 8 * i, x->sum32 + c / 32, rest / 32 * sizeof *sum32);
        memcpy(sum16 + 16 * i, x->sum16 + c / 16, rest / 16 * sizeof *sum16);
    }
    const struct cn_act padded = { .q = q, .d = d, .sum32 = sum32, .sum16 = sum16 };
    f->arrange(&padded, 0, to);
}

/* The blocks of n columns at b, followed by blocks of zeros to a step, so that nothing is read
 * beyond the row; `to` holds zeros or the last call's blocks. */
ALWAYS const uint8_t *padded_blocks(const struct strips *f, const uint8_t *b, int64_t n,
                                    uint8_t *to)
{
    memcpy(to, b, (size_t)n / (size_t)f->block_elems * (size_t)f->block_bytes);
    return to;
}

/* Adds the products of the last 256 columns of rows to y, for steps of two blocks whose products
 * are in lanes 0 to 7 and 8 to 15: two rows at a time. `w`: those columns of the first row; x: the
 * lanes of them twice. */
BY_FORMAT void add_half_steps(const struct strips *f, int64_t n_rows, const uint8_t *w,
                              size_t row_bytes, const struct lanes *x, float *y)
{
    uint8_t blocks[2 * 82] = { 0 }; /* of IQ2_S, the largest of those formats */
    for (int64_t r = 0; r < n_rows; r += 2) {
        const uint8_t *b = row_at(w, r, row_bytes);
        const bool both = r + 1 < n_rows;
        prefetch(b, f->block_bytes);
        prefetch(b + row_bytes, f->block_bytes);
        if (!both || row_bytes != (size_t)f->block_bytes) {
            memcpy(blocks, b, (size_t)f->block_bytes);
            if (both)
                memcpy(blocks + f->block_bytes, b + row_bytes, (size_t)f->block_bytes);
            b = blocks;
        }
        const __m512 total = f->step(b, x, _mm512_setzero_ps());
        y[r] += sum_ps(_mm512_castps512_ps256(total));
        if (both)
            y[r + 1] += sum_ps(_mm512_extractf32x8_ps(total, 1));
    }
}

/* Halves of halves: the order is ours, not a compiler's, for a few tokens are to have the same. */
ALWAYS float sum512(__m512 v)
{
    return sum_ps(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1)));
}

/* y = W x. What the last step of a row lacks is made up for by zeros; half a step of 512 is done
 * for two rows at once. */
BY_FORMAT void gemv_by_strips(const struct strips *f, int64_t n_rows, int64_t n_cols, const void *w,
                              size_t row_bytes, const struct cn_act *x, float *y)
{
    const int structs = structs_of(f), step_bytes = step_bytes_of(f);
    struct lanes strip[STRIP_COLS / 256];
    uint8_t blocks[8 * 34] = { 0 };
    for (int64_t c0 = 0; c0 < n_cols || c0 == 0; c0 += STRIP_COLS) {
        const int64_t n = n_cols - c0 < STRIP_COLS ? n_cols - c0 : STRIP_COLS;
        const int64_t whole = n / f->step_cols, rest = n % f->step_cols;
        const uint8_t *const first = (const uint8_t *)w + c0 / f->block_elems * f->block_bytes;
        for (int64_t c = 0; c < n; c += f->step_cols)
            arrange_step(f, x, c0 + c, n - c, strip + c / 256);
        for (int64_t r = 0; r < n_rows; r++) {
            const uint8_t *b = row_at(first, r, row_bytes);
            __m512 total = _mm512_setzero_ps();
            for (int64_t i = 0; i < whole; i++, b += step_bytes) {
                prefetch(b, step_bytes);
                total = f->step(b, strip + i * structs, total);
            }
            if (rest && structs == 1)
                total = f->step(padded_blocks(f, b, rest, blocks), strip + whole, total);
            const float sum = sum512(total);
            y[r] = c0 ? y[r] + sum : sum;
        }
        if (rest && structs == 2)
            add_half_steps(f, n_rows, first + whole * step_bytes, row_bytes,
                           strip + whole * structs, y);
    }
}

/* ---- a few tokens ---------------------------------------------------------------------------- */

/* Sums across lanes of eight vectors, each in the order of sum512(). */
ALWAYS __m256 reduce_eight(const float (*v)[16])
{
    __m512 half[4], quarter[2];
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512 a = _mm512_load_ps(v[2 * i]), b = _mm512_load_ps(v[2 * i + 1]);
        half[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    }
    UNROLL for (int i = 0; i < 2; i++)
    {
        const __m512 a = half[2 * i], b = half[2 * i + 1];
        quarter[i] =
            _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
    }
    const __m512 pair = _mm512_add_ps(_mm512_shuffle_ps(quarter[0], quarter[1], 0x44),
                                      _mm512_shuffle_ps(quarter[0], quarter[1], 0xee));
    const __m512 sum = _mm512_add_ps(pair, _mm512_shuffle_ps(pair, pair, 0xb1));
    return _mm512_castps512_ps256(_mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 0, 0, 0, 0, 0, 0, 0), sum));
}

/* What a piece of the columns adds to the sums of n_rows rows, at most FEW_ROWS, and n tokens. */
struct piece {
    const uint8_t *w; /* of the first row */
    size_t row_bytes;
    int64_t n_rows;
    int64_t whole, rest;   /* steps, and columns after them */
    size_t ahead;          /* how many bytes ahead weights are asked for; 0: see prefetch() */
    const struct lanes *x; /* [n][x_stride] */
    int x_stride;
    float (*total)[CN_FEW][16]; /* of a row: [n][16] */
    bool first;                 /* nothing was summed up before */
};

BY_FORMAT void add_piece(const struct strips *f, const int n, const struct piece *p)
{
    const int structs = structs_of(f), step_bytes = step_bytes_of(f);
    for (int64_t r = 0; r < p->n_rows; r++) {
        const uint8_t *b = row_at(p->w, r, p->row_bytes);
        __m512 total[CN_FEW];
        UNROLL for (int t = 0; t < n; t++) total[t] =
            p->first ? _mm512_setzero_ps() : _mm512_load_ps(p->total[r][t]);
        for (int64_t i = 0; i < p->whole; i++, b += step_bytes) {
            if (p->ahead)
                prefetch_ahead(b, p->ahead, step_bytes);
            else
                prefetch(b, step_bytes);
            UNROLL for (int t = 0; t < n; t++) total[t] =
                f->step(b, p->x + t * p->x_stride + i * structs, total[t]);
        }
        UNROLL for (int t = 0; t < n; t++) _mm512_store_ps(p->total[r][t], total[t]);
    }
}

/* The same of the columns after its steps, of formats with steps of 256. */
BY_FORMAT void add_rest(const struct strips *f, const int n, const struct piece *p)
{
    uint8_t blocks[8 * 34] = { 0 };
    for (int64_t r = 0; r < p->n_rows; r++) {
        const uint8_t *b = row_at(p->w, r, p->row_bytes);
        padded_blocks(f, b + p->whole * step_bytes_of(f), p->rest, blocks);
        for (int t = 0; t < n; t++) {
            const __m512 total = _mm512_load_ps(p->total[r][t]);
            _mm512_store_ps(p->total[r][t],
                            f->step(blocks, p->x + t * p->x_stride + p->whole, total));
        }
    }
}

BY_FORMAT void add_piece_of(const struct strips *f, int n, const struct piece *p)
{
    _Static_assert(CN_FEW == 16, "a case for each number");
    switch (n) {
    case 1:
        add_piece(f, 1, p);
        break;
    case 2:
        add_piece(f, 2, p);
        break;
    case 3:
        add_piece(f, 3, p);
        break;
    case 4:
        add_piece(f, 4, p);
        break;
    case 5:
        add_piece(f, 5, p);
        break;
    case 6:
        add_piece(f, 6, p);
        break;
    case 7:
        add_piece(f, 7, p);
        break;
    case 8:
        add_piece(f, 8, p);
        break;
    case 9:
        add_piece(f, 9, p);
        break;
    case 10:
        add_piece(f, 10, p);
        break;
    case 11:
        add_piece(f, 11, p);
        break;
    case 12:
        add_piece(f, 12, p);
        break;
    case 13:
        add_piece(f, 13, p);
        break;
    case 14:
        add_piece(f, 14, p);
        break;
    case 15:
        add_piece(f, 15, p);
        break;
    default:
        add_piece(f, CN_FEW, p);
    }
}

/* Where token t's lanes of columns from 256 i on lie. */
ALWAYS int64_t lanes_at(int64_t i, int piece, int n, int t)
{
    return (i / piece * n + t) * piece + i % piece;
}

BY_FORMAT void few_by_strips(const struct strips *f, int64_t n_rows, int64_t n_cols, const void *w,
                             size_t row_bytes, const struct cn_act *x, int n, float *y,
                             int64_t y_stride, void *scratch)
{
    _Static_assert(STRIP_COLS / 256 * CN_FEW * sizeof(struct lanes) <= CN_FEW_SCRATCH, "lanes fit");
    struct lanes *lanes = scratch; /* [piece][token][of a piece] */
    const int piece = n > 8 ? PIECE / 2 : PIECE;
    _Alignas(64) float total[FEW_ROWS][CN_FEW][16];
    float sums[FEW_ROWS][CN_FEW];
    /* Tokens that are not there are summed up across lanes, too: not of what lies in memory. */
    for (int r = 0; r < FEW_ROWS; r++)
        memset(total[r] + n, 0, (size_t)(CN_FEW - n) * sizeof *total[r]);
    for (int64_t c0 = 0; c0 < n_cols; c0 += STRIP_COLS) {
        const int64_t end = n_cols - c0 < STRIP_COLS ? n_cols : c0 + STRIP_COLS;
        for (int t = 0; t < n; t++)
            for (int64_t c = c0; c < end; c += f->step_cols)
                arrange_step(f, x + t, c, end - c, lanes + lanes_at((c - c0) / 256, piece, n, t));
        for (int64_t r0 = 0; r0 < n_rows; r0 += FEW_ROWS) {
            const uint8_t *row = row_at(w, r0, row_bytes);
            struct piece p = { .row_bytes = row_bytes,
                               .n_rows = n_rows - r0 < FEW_ROWS ? n_rows - r0 : FEW_ROWS,
                               /* Of longer rows pieces of rows to come are next. */
                               .ahead = n_cols > 256 * piece ? ROWS_AHEAD * row_bytes : 0,
                               .x = lanes,
                               .x_stride = piece,
                               .total = total };
            for (int64_t c = c0; c < end; c += 256 * piece, p.x += n * piece) {
                const int64_t here = end - c < 256 * piece ? end - c : 256 * piece;
                p.w = row + c / f->block_elems * f->block_bytes;
                p.whole = here / f->step_cols;
                p.rest = here % f->step_cols;
                p.first = c == c0;
                add_piece_of(f, n, &p);
                if (p.rest && f->step_cols == 256)
                    add_rest(f, n, &p);
            }
            for (int64_t r = 0; r < p.n_rows; r++) {
                _mm256_storeu_ps(sums[r], reduce_eight(total[r]));
                if (n > 8)
                    _mm256_storeu_ps(sums[r] + 8, reduce_eight(total[r] + 8));
            }
            /* Token by token: the same row of all of them may lie in one set of a cache. */
            for (int t = 0; t < n; t++) {
                float *to = y + t * y_stride + r0;
                for (int64_t r = 0; r < p.n_rows; r++)
                    to[r] = c0 ? to[r] + sums[r][t] : sums[r][t];
            }
        }
        const int64_t rest = (end - c0) % f->step_cols;
        for (int t = 0; t < n && rest && structs_of(f) == 2; t++)
            add_half_steps(f, n_rows,
                           (const uint8_t *)w + (end - rest) / f->block_elems * f->block_bytes,
                           row_bytes, lanes + lanes_at((end - c0 - rest) / 256, piece, n, t),
                           y + t * y_stride);
    }
}

/* Multiplies the results of rows with what the header of each is the scale of. */
ALWAYS void scale_rows(int header, int64_t n_rows, const void *w, size_t row_bytes, float *y)
{
    for (int64_t r = 0; header && r < n_rows; r++)
        y[r] *= cn_row_scale(header, row_at(w, r, row_bytes));
}

/* Defines the static gemv and few of a kernel file, by its arrange() and step(). */
#define STRIP_GEMV512(id, block_elems, step_cols, header)                                         \
    static const struct strips id##_strips = { id##_arrange_avx512, step, block_elems,            \
                                               sizeof(struct cn_block_##id), step_cols };         \
    static void id##_gemv_avx512(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes, \
                                 const struct cn_act *x, float *y)                                \
    {                                                                                             \
        gemv_by_strips(&id##_strips, n_rows, n_cols, (const uint8_t *)w + (header), row_bytes, x, \
                       y);                                                                        \
        scale_rows(header, n_rows, w, row_bytes, y);                                              \
    }                                                                                             \
    static void id##_few_avx512(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,  \
                                const struct cn_act *x, int n_tokens, float *y, int64_t y_stride, \
                                void *scratch)                                                    \
    {                                                                                             \
        few_by_strips(&id##_strips, n_rows, n_cols, (const uint8_t *)w + (header), row_bytes, x,  \
                      n_tokens, y, y_stride, scratch);                                            \
        for (int t = 0; t < n_tokens; t++)                                                        \
            scale_rows(header, n_rows, w, row_bytes, y + t * y_stride);                           \
    }

#endif

/* SPDX-License-Identifier: MIT
 *
 * gemv of formats that want the activations in an order of their own.
 */
#ifndef CN_GEMV_STRIPS_AVX2_H
#define CN_GEMV_STRIPS_AVX2_H

#include "quant/x86/simd_avx2.h"

/* What is arranged at a time is to stay in a first-level cache. */
enum { STRIP_BYTES = 20480, STRIP_STEP = 256 };

/* How a format does it. */
struct strips {
    int block_elems, block_bytes;
    int header_bytes;
    int x_bytes; /* of what arrange() makes of 256 columns */
    /* The activations of the 256 columns from column c on, in the order of step(). */
    void (*arrange)(const struct cn_act *x, int64_t c, void *to);
    /* Adds the products of 256 columns to the sums `total`. */
    __m256 (*step)(const uint8_t *b, const void *x, __m256 total);
    float (*row_scale)(const uint8_t *row); /* what a header stands for; NULL: there is none */
};

/* The last n < 256 columns, with zeros behind them. */
ALWAYS void arrange_rest(const struct strips *f, const struct cn_act *x, int64_t c, size_t n,
                         void *to)
{
    int8_t q[STRIP_STEP] = { 0 };
    float d[STRIP_STEP / 32] = { 0 }, sum32[STRIP_STEP / 32] = { 0 };
    int16_t sum16[STRIP_STEP / 16] = { 0 };
    memcpy(q, x->q + c, n);
    memcpy(d, x->d + c / 32, n / 32 * sizeof *d);
    memcpy(sum32, x->sum32 + c / 32, n / 32 * sizeof *sum32);
    memcpy(sum16, x->sum16 + c / 16, n / 16 * sizeof *sum16);
    const struct cn_act padded = { .q = q, .d = d, .sum32 = sum32, .sum16 = sum16 };
    f->arrange(&padded, 0, to);
}

/* y = W x. Blocks of zeros make up for what the last step of a row lacks: they lie in a copy, so
 * nothing is read beyond the row. */
ALWAYS void gemv_by_strips(const struct strips *f, int64_t n_rows, int64_t n_cols, const void *w,
                           size_t row_bytes, const struct cn_act *x, float *y)
{
    _Alignas(64) uint8_t strip[STRIP_BYTES];
    uint8_t blocks[160] = { 0 };
    const int step_bytes = STRIP_STEP / f->block_elems * f->block_bytes;
    const int64_t strip_cols = STRIP_BYTES / f->x_bytes * STRIP_STEP;
    for (int64_t c0 = 0; c0 < n_cols || c0 == 0; c0 += strip_cols) {
        const int64_t n = n_cols - c0 < strip_cols ? n_cols - c0 : strip_cols;
        const int64_t whole = n / STRIP_STEP;
        const size_t rest = f->block_elems < STRIP_STEP ? (size_t)(n % STRIP_STEP) : 0;
        for (int64_t i = 0; i < whole; i++)
            f->arrange(x, c0 + i * STRIP_STEP, strip + i * f->x_bytes);
        if (rest)
            arrange_rest(f, x, c0 + whole * STRIP_STEP, rest, strip + whole * f->x_bytes);
        for (int64_t r = 0; r < n_rows; r++) {
            const uint8_t *row = row_at(w, r, row_bytes);
            const uint8_t *b = row + f->header_bytes + c0 / f->block_elems * f->block_bytes;
            __m256 total = _mm256_setzero_ps();
            for (int64_t i = 0; i < whole; i++, b += step_bytes) {
                prefetch(b, step_bytes);
                total = f->step(b, strip + i * f->x_bytes, total);
            }
            if (rest) {
                memcpy(blocks, b, rest / (size_t)f->block_elems * (size_t)f->block_bytes);
                total = f->step(blocks, strip + whole * f->x_bytes, total);
            }
            const float sum = f->row_scale ? f->row_scale(row) * sum_ps(total) : sum_ps(total);
            y[r] = c0 ? y[r] + sum : sum;
        }
    }
}

/* Four dwords of each half of four vectors, the other way round: dword j of v[i] becomes dword i of
 * v[j]. */
ALWAYS void transpose_dwords(__m256i *v)
{
    const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]),
                  c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm256_unpacklo_epi64(a, c);
    v[1] = _mm256_unpackhi_epi64(a, c);
    v[2] = _mm256_unpacklo_epi64(b, d);
    v[3] = _mm256_unpackhi_epi64(b, d);
}

#endif

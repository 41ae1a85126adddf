/* SPDX-License-Identifier: MIT
 *
 * Q4_0 for AVX-512.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * (code - 8)
 *
 * Eight bytes of codes of eight blocks meet in one vector (vpermt2w of two loads), so a qword of
 * the sums is a block. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a block.
 */
#include "quant/x86/simd_avx512.h"

#include "quant/ref/q4_0.h"

extern const struct cn_kernels cn_q4_0_avx512;

enum { OFFSET = 8 };

/* Of eight blocks, 9 words apart: words for the first or last 8 bytes of codes, from two loads, and
 * for the scales, twice each. */
/* clang-format off */
static const int16_t code_words[32] = {
    EVERY4(1, 0),  EVERY4(1, 9),  EVERY4(1, 18), EVERY4(1, 27),
    EVERY4(1, 33), EVERY4(1, 42), EVERY4(1, 51), EVERY4(1, 60),
};
static const int16_t scale_words[32] = {
    0, 0, 9, 9, 18, 18, 27, 27, 32, 32, 41, 41, 50, 50, 59, 59,
};
/* Runs of columns, by vector. */
static const uint8_t order[256] = { RUN(0), RUN(2), RUN(1), RUN(3) };
/* clang-format on */

static void arrange(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_runs(order, x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i first = words_of(load512(b + 2), code_words, load512(b + 72)),
                  last = words_of(load512(b + 10), code_words, load512(b + 80));
    __m512i acc = load512(x->start[0]);
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(first, nibble), load512(x->q));
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(_mm512_srli_epi16(first, 4), nibble),
                              load512(x->q + 64));
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(last, nibble), load512(x->q + 128));
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(_mm512_srli_epi16(last, 4), nibble),
                              load512(x->q + 192));
    const __m512 scale = halves_of(words_of(load512(b), scale_words, load512(b + 72)));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc), _mm512_mul_ps(scale, _mm512_load_ps(x->d[0])),
                           total);
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    gemv_by_strips(arrange, step, 32, sizeof(struct cn_block_q4_0), 256, n_rows, n_cols, w,
                   row_bytes, x, y);
}

const struct cn_kernels cn_q4_0_avx512 = { .gemv = gemv };

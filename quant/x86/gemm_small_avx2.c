/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once for AVX2: CN_SMALL_ROWS rows times two tokens in registers.
 *
 * Products of a vector are four columns of each of eight groups; those of as many vectors as the
 * largest code allows (gemm_avx2.c) are added in 16 bits. With groups of 32 and codes up to 16, 256
 * columns of a token and a row take 20 instructions, one of them the conversion to float. Codes of
 * 8 bits are signed words: as many multiplications as with magnitudes and signs, and no more else.
 *
 * Error: float rounding of the group sums.
 */
#include "quant/x86/gemm_small_avx2.h"

/* How many vectors of products of codes up to `most` may be added in 16 bits. */
static int gemm_small_run_avx2(int most, int sub)
{
    const int run = most <= 16 ? 8 : most <= 32 ? 4 : most <= 64 ? 2 : 1;
    return run < sub / 4 ? run : sub / 4;
}

static int gemm_small_centred_run_avx2(const struct cn_panel *kind)
{
    const int above = kind->code_max - kind->offset, below = kind->offset;
    return gemm_small_run_avx2(above > below ? above : below, kind->sub);
}

/* Where codes without their offset are so small that more products last, the offset is taken out of
 * the 16-bit sums: these may wrap around before, the difference is exact. */
static enum cn_small_form gemm_small_form_avx2(const struct cn_panel *kind)
{
    if (kind->code_max > 129)
        return CN_SMALL_SIGNED;
    return !kind->has_min && gemm_small_centred_run_avx2(kind) >
                                 gemm_small_run_avx2(kind->code_max, kind->sub)
               ? CN_SMALL_SUMS
               : CN_SMALL_MIN;
}

/* The run of a block's products; 0: codes are signed words. */
static int gemm_small_block_run_avx2(const struct cn_small_block *b)
{
    return b->form == CN_SMALL_SIGNED ? 0
           : b->form == CN_SMALL_SUMS ? gemm_small_centred_run_avx2(b->kind)
                                      : gemm_small_run_avx2(b->kind->code_max, b->kind->sub);
}

/* Runs of four and eight: all rows and tokens at once, so that a vector is loaded once. */
ALWAYS void dot_at_once(const struct small_shape k, const int nt, const struct small_unit *u,
                        __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int i0 = 0; i0 < k.sub / 4; i0 += k.run)
    {
        __m256i part[CN_SMALL_ROWS][2];
        UNROLL for (int i = i0; i < i0 + k.run; i++)
        {
            __m256i x[2];
            UNROLL for (int t = 0; t < nt; t++) x[t] = load256(u->q[t] + 32 * i);
            UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
            {
                const __m256i w = load_once(u->w[r] + 32 * i);
                UNROLL for (int t = 0; t < nt; t++)
                {
                    const __m256i m = _mm256_maddubs_epi16(w, x[t]);
                    part[r][t] = i == i0 ? m : _mm256_add_epi16(part[r][t], m);
                }
            }
        }
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            UNROLL for (int t = 0; t < nt; t++)
                add_run(k, i0 == 0, u->sums[t] + 32 * (i0 / k.run), part[r][t], &acc[r][t]);
        }
    }
}

/* Shorter ones: row by row, for all at once would keep 16 registers waiting. */
ALWAYS void dot_by_rows(const struct small_shape k, const int nt, const struct small_unit *u,
                        __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int i0 = 0; i0 < k.sub / 4; i0 += k.run)
    {
        __m256i x[2][2];
        UNROLL for (int i = 0; i < k.run; i++)
        {
            UNROLL for (int t = 0; t < nt; t++) x[i][t] = load256(u->q[t] + 32 * (i0 + i));
        }
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            __m256i part[2];
            UNROLL for (int i = 0; i < k.run; i++)
            {
                const __m256i w = load_once(u->w[r] + 32 * (i0 + i));
                UNROLL for (int t = 0; t < nt; t++)
                {
                    const __m256i m = _mm256_maddubs_epi16(w, x[i][t]);
                    part[t] = i == 0 ? m : _mm256_add_epi16(part[t], m);
                }
            }
            UNROLL for (int t = 0; t < nt; t++)
                add_run(k, i0 == 0, u->sums[t] + 32 * (i0 / k.run), part[t], &acc[r][t]);
        }
    }
}

/* Signed words. */
ALWAYS void dot_words(const int sub, const int nt, const struct small_unit *u,
                      __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int i = 0; i < sub / 2; i++)
    {
        __m256i x[2];
        UNROLL for (int t = 0; t < nt; t++) x[t] = load256(u->q[t] + 32 * i);
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            const __m256i w = load_once(u->w[r] + 32 * i);
            UNROLL for (int t = 0; t < nt; t++)
            {
                const __m256i m = _mm256_madd_epi16(w, x[t]);
                acc[r][t] = i == 0 ? m : _mm256_add_epi32(acc[r][t], m);
            }
        }
    }
}

ALWAYS void dot(const struct small_shape k, const int nt, const struct small_unit *u,
                __m256i acc[CN_SMALL_ROWS][2])
{
    if (k.form == CN_SMALL_SIGNED)
        dot_words(k.sub, nt, u, acc);
    else if (k.run <= 2)
        dot_by_rows(k, nt, u, acc);
    else
        dot_at_once(k, nt, u, acc);
}

typedef void multiply_fn(const struct cn_small_block *b);
#define MULTIPLY_FN(run, sub, name, form)                                                \
    static __attribute__((noinline)) void gemm_small_##run##_##sub##_##name##_avx2(      \
        const struct cn_small_block *b)                                                  \
    {                                                                                    \
        const struct small_shape k = { run, sub, form, run ? 1 : (int)sizeof(int16_t) }; \
        small_multiply(dot, k, b);                                                       \
    }
#define MULTIPLY_FNS(run, name, form) \
    MULTIPLY_FN(run, 16, name, form) MULTIPLY_FN(run, 32, name, form)
MULTIPLY_FNS(0, words, CN_SMALL_SIGNED)
MULTIPLY_FNS(1, min, CN_SMALL_MIN)
MULTIPLY_FNS(2, min, CN_SMALL_MIN)
MULTIPLY_FNS(4, min, CN_SMALL_MIN)
MULTIPLY_FN(8, 32, min, CN_SMALL_MIN)
MULTIPLY_FNS(2, sums, CN_SMALL_SUMS)
MULTIPLY_FNS(4, sums, CN_SMALL_SUMS)
MULTIPLY_FN(8, 32, sums, CN_SMALL_SUMS)

static void gemm_small_multiply_avx2(const struct cn_small_block *b)
{
    /* clang-format off */
#define ENTRIES(run, name) { gemm_small_##run##_16_##name##_avx2, gemm_small_##run##_32_##name##_avx2 }
    /* [form][run][sub == 32] */
    static multiply_fn *const table[3][9][2] = {
        [CN_SMALL_SIGNED] = { [0] = ENTRIES(0, words) },
        [CN_SMALL_MIN] = { [1] = ENTRIES(1, min), [2] = ENTRIES(2, min), [4] = ENTRIES(4, min),
                           [8] = { NULL, gemm_small_8_32_min_avx2 } },
        [CN_SMALL_SUMS] = { [2] = ENTRIES(2, sums), [4] = ENTRIES(4, sums),
                            [8] = { NULL, gemm_small_8_32_sums_avx2 } },
    };
    /* clang-format on */
    table[b->form][gemm_small_block_run_avx2(b)][b->kind->sub == 32](b);
}

static void gemm_small_arrange_avx2(const struct cn_small_block *b, int offset, const int8_t *from,
                                    uint8_t *to)
{
    if (b->form == CN_SMALL_SIGNED)
        small_arrange(b->kind->sub, true, offset, b->n_units, from, to);
    else
        small_arrange(b->kind->sub, false, offset, b->n_units, from, to);
}

static void gemm_small_offset_sums_avx2(const struct cn_small_block *b, const uint8_t *acts,
                                        uint8_t *to)
{
    const __m256i by = _mm256_set1_epi8((char)b->kind->offset);
    const int run = gemm_small_centred_run_avx2(b->kind);
    for (int64_t i = 0; i < b->n_units * b->kind->sub / 4; i += run, to += 32) {
        __m256i total = _mm256_setzero_si256();
        for (int k = 0; k < run; k++, acts += 32)
            total = _mm256_add_epi16(total, _mm256_maddubs_epi16(by, load256(acts)));
        store256(to, total);
    }
}

const struct cn_gemm_small cn_gemm_small_avx2 = {
    .lanes = 8,
    .signed_bytes = sizeof(int16_t),
    .least_tokens = {[CN_SMALL_MIN] = 2,   [CN_SMALL_SUMS] = 2,  [CN_SMALL_SIGNED] = 2 },
    .most_tokens = { [CN_SMALL_MIN] = 24, [CN_SMALL_SUMS] = 22, [CN_SMALL_SIGNED] = 32},
    .form = gemm_small_form_avx2,
    .arrange = gemm_small_arrange_avx2,
    .offset_sums = gemm_small_offset_sums_avx2,
    .multiply = gemm_small_multiply_avx2,
};

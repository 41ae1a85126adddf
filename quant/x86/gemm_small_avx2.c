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

/* How many products of codes up to `most` may be added in 16 bits. */
static int run_of(int most)
{
    return most <= 16 ? 8 : most <= 32 ? 4 : most <= 64 ? 2 : 1;
}

ALWAYS __m256i to_sums(__m256i words)
{
    return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

/* Integer sums of a unit: runs of products that one register of 16 bits each holds, all rows and
 * tokens at once. */
ALWAYS void dot_at_once(const int run, const int sub, const int nt, const struct small_unit *u,
                        __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int i0 = 0; i0 < sub / 4; i0 += run)
    {
        __m256i part[CN_SMALL_ROWS][2];
        UNROLL for (int i = i0; i < i0 + run; i++)
        {
            __m256i x[2];
            UNROLL for (int t = 0; t < nt; t++) x[t] = load256(u->q[t] + 32 * i);
            UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
            {
                const __m256i w = load256(u->w[r] + 32 * i);
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
            {
                const __m256i sums = to_sums(part[r][t]);
                acc[r][t] = i0 == 0 ? sums : _mm256_add_epi32(acc[r][t], sums);
            }
        }
    }
}

/* The same, row by row, for short runs: all at once would keep 16 registers waiting. */
ALWAYS void dot_by_rows(const int run, const int sub, const int nt, const struct small_unit *u,
                        __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int i0 = 0; i0 < sub / 4; i0 += run)
    {
        __m256i x[2][2];
        UNROLL for (int i = 0; i < run; i++)
        {
            UNROLL for (int t = 0; t < nt; t++) x[i][t] = load256(u->q[t] + 32 * (i0 + i));
        }
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            __m256i part[2];
            UNROLL for (int i = 0; i < run; i++)
            {
                const __m256i w = load256(u->w[r] + 32 * (i0 + i));
                UNROLL for (int t = 0; t < nt; t++)
                {
                    const __m256i m = _mm256_maddubs_epi16(w, x[i][t]);
                    part[t] = i == 0 ? m : _mm256_add_epi16(part[t], m);
                }
            }
            UNROLL for (int t = 0; t < nt; t++)
            {
                const __m256i sums = to_sums(part[t]);
                acc[r][t] = i0 == 0 ? sums : _mm256_add_epi32(acc[r][t], sums);
            }
        }
    }
}

/* The same of signed words. */
ALWAYS void dot_words(const int sub, const int nt, const struct small_unit *u,
                      __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int i = 0; i < sub / 2; i++)
    {
        __m256i x[2];
        UNROLL for (int t = 0; t < nt; t++) x[t] = load256(u->q[t] + 32 * i);
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            const __m256i w = load256(u->w[r] + 32 * i);
            UNROLL for (int t = 0; t < nt; t++)
            {
                const __m256i m = _mm256_madd_epi16(w, x[t]);
                acc[r][t] = i == 0 ? m : _mm256_add_epi32(acc[r][t], m);
            }
        }
    }
}

enum { WORDS = 0 };

ALWAYS void dot(const int run, const int sub, const int nt, const struct small_unit *u,
                __m256i acc[CN_SMALL_ROWS][2])
{
    if (run == WORDS)
        dot_words(sub, nt, u, acc);
    else if (run <= 2)
        dot_by_rows(run, sub, nt, u, acc);
    else
        dot_at_once(run < sub / 4 ? run : sub / 4, sub, nt, u, acc);
}

#define MULTIPLY_FN(run, sub)                                                 \
    static __attribute__((noinline)) void gemm_small_##run##_##sub##_avx2(    \
        const struct cn_small_block *b)                                       \
    {                                                                         \
        small_multiply(dot, run, sub, run != WORDS, run == WORDS ? 2 : 1, b); \
    }
#define MULTIPLY_FNS(run) MULTIPLY_FN(run, 16) MULTIPLY_FN(run, 32)
MULTIPLY_FNS(0)
MULTIPLY_FNS(1)
MULTIPLY_FNS(2)
MULTIPLY_FNS(4)
MULTIPLY_FNS(8)

static void gemm_small_multiply_avx2(const struct cn_small_block *b)
{
    /* [run][sub == 32] */
    static void (*const table[9][2])(const struct cn_small_block *b) = {
        [WORDS] = {gemm_small_0_16_avx2,  gemm_small_0_32_avx2},
        [1] = { gemm_small_1_16_avx2, gemm_small_1_32_avx2},
        [2] = { gemm_small_2_16_avx2, gemm_small_2_32_avx2},
        [4] = { gemm_small_4_16_avx2, gemm_small_4_32_avx2},
        [8] = { gemm_small_8_16_avx2, gemm_small_8_32_avx2},
    };
    table[b->is_signed ? WORDS : run_of(b->code_max)][b->sub == 32](b);
}

static void gemm_small_arrange_avx2(const struct cn_small_block *b, int offset, const int8_t *from,
                                    uint8_t *to)
{
    if (b->is_signed)
        small_arrange(b->sub, true, offset, b->n_units, from, to);
    else
        small_arrange(b->sub, false, offset, b->n_units, from, to);
}

const struct cn_gemm_small cn_gemm_small_avx2 = {
    .lanes = 8,
    .code_most = 129,
    .signed_bytes = 2,
    .arrange = gemm_small_arrange_avx2,
    .multiply = gemm_small_multiply_avx2,
};

/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once for AVX-VNNI: CN_SMALL_ROWS rows times two tokens in registers.
 *
 * Products of a vector are four columns of each of eight groups, and go to sums of 32 bits at once,
 * whatever the codes are: 256 columns of a token and a row take 8 products, a conversion and an
 * FMA. An offset is where the sums start, which is made once for a token.
 *
 * Error: float rounding of the group sums.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/gemm_small_avx2.h"

static enum cn_small_form gemm_small_form_avxvnni(const struct cn_panel *kind)
{
    return kind->has_min ? CN_SMALL_MIN : CN_SMALL_SUMS;
}

ALWAYS void dot(const struct small_shape k, const int nt, const struct small_unit *u,
                __m256i acc[CN_SMALL_ROWS][2])
{
    UNROLL for (int t = 0; t < nt; t++)
    {
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++) acc[r][t] = small_start(k, u->sums[t]);
    }
    UNROLL for (int i = 0; i < k.sub / 4; i++)
    {
        __m256i x[2];
        UNROLL for (int t = 0; t < nt; t++) x[t] = load_once(u->q[t] + 32 * i);
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            const __m256i w = load_once(u->w[r] + 32 * i);
            UNROLL for (int t = 0; t < nt; t++) acc[r][t] = add_dot_u8(acc[r][t], w, x[t]);
        }
    }
}

typedef void multiply_fn(const struct cn_small_block *b);
#define MULTIPLY_FN(sub, name, form)                                           \
    static __attribute__((noinline)) void gemm_small_##sub##_##name##_avxvnni( \
        const struct cn_small_block *b)                                        \
    {                                                                          \
        small_multiply(dot, (struct small_shape){ sub / 4, sub, form, 1 }, b); \
    }
MULTIPLY_FN(16, min, CN_SMALL_MIN)
MULTIPLY_FN(32, min, CN_SMALL_MIN)
MULTIPLY_FN(16, sums, CN_SMALL_SUMS)
MULTIPLY_FN(32, sums, CN_SMALL_SUMS)

static void gemm_small_multiply_avxvnni(const struct cn_small_block *b)
{
    /* [sub == 32][form == CN_SMALL_SUMS] */
    static multiply_fn *const table[2][2] = {
        {gemm_small_16_min_avxvnni,  gemm_small_16_sums_avxvnni},
        { gemm_small_32_min_avxvnni, gemm_small_32_sums_avxvnni},
    };
    table[b->kind->sub == 32][b->form == CN_SMALL_SUMS](b);
}

static void gemm_small_arrange_avxvnni(const struct cn_small_block *b, int offset,
                                       const int8_t *from, uint8_t *to)
{
    small_arrange(b->kind->sub, false, offset, b->n_units, from, to);
}

/* A vector of sums for each unit. */
static void gemm_small_offset_sums_avxvnni(const struct cn_small_block *b, const uint8_t *acts,
                                           uint8_t *to)
{
    const __m256i by = _mm256_set1_epi8((char)b->kind->offset);
    for (int64_t u = 0; u < b->n_units; u++, to += 32) {
        __m256i total = _mm256_setzero_si256();
        for (int i = 0; i < b->kind->sub / 4; i++, acts += 32)
            total = add_dot_u8(total, by, load256(acts));
        store256(to, _mm256_sub_epi32(_mm256_setzero_si256(), total));
    }
}

const struct cn_gemm_small cn_gemm_small_avxvnni = {
    .lanes = 8,
    .signed_bytes = 1,
    .least_tokens = {[CN_SMALL_MIN] = 2,   [CN_SMALL_SUMS] = 2 },
    .most_tokens = { [CN_SMALL_MIN] = 32, [CN_SMALL_SUMS] = 32},
    .form = gemm_small_form_avxvnni,
    .arrange = gemm_small_arrange_avxvnni,
    .offset_sums = gemm_small_offset_sums_avxvnni,
    .multiply = gemm_small_multiply_avxvnni,
};

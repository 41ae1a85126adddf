/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once for Armv8.6 with matrix products of bytes. Idea: gemm_small_arm.h; smmla
 * multiplies eight columns of two rows with eight columns of two tokens. The quads of tokens are
 * made for it; rows are brought into pairs by a zip of two vectors each, which serves all tokens.
 * One or two tokens that are left over take sdot.
 *
 * Serves Cortex-A510, A710, X2 and later, Neoverse N2 and V1. Error: float rounding of the group
 * sums.
 */
#include "quant/arm/gemm_small_arm.h"
#include "quant/arm/simd_dotprod.h"

#include "quant/vec.h"

#ifndef __ARM_FEATURE_MATMUL_INT8
#error "gemm_small_i8mm.c needs the flags of the i8mm tier"
#endif

ALWAYS void dot_i8mm(const struct small_shape k, const int nq, const uint8_t *w, size_t row_bytes,
                     uint8x16_t offset, const int8_t *q, size_t quad_bytes,
                     int32x4_t acc[QUADS][ROWS])
{
    int32x4_t two[QUADS][2][2]; /* [pair of tokens][pair of rows]: a row's two tokens, the next's */
    UNROLL for (int v = 0; v < nq; v++)
    {
        UNROLL for (int i = 0; i < 4; i++) two[v][i / 2][i % 2] = vdupq_n_s32(0);
    }
    UNROLL for (int h = 0; h < k.sub / 16; h++)
    {
        int8x16_t pair[2][2]; /* [eight columns][rows] */
        UNROLL for (int p = 0; p < 2; p++)
        {
            uint64x2_t c[2];
            UNROLL for (int r = 0; r < 2; r++)
            {
                const uint8x16_t codes = vld1q_u8(w + (size_t)(2 * p + r) * row_bytes + 16 * h);
                c[r] = vreinterpretq_u64_u8(k.has_min ? codes : vsubq_u8(codes, offset));
            }
            pair[0][p] = vreinterpretq_s8_u64(vzip1q_u64(c[0], c[1]));
            pair[1][p] = vreinterpretq_s8_u64(vzip2q_u64(c[0], c[1]));
        }
        UNROLL for (int e = 0; e < 2; e++)
        {
            UNROLL for (int v = 0; v < nq; v++)
            {
                UNROLL for (int u = 0; u < 2; u++)
                {
                    const int8x16_t x =
                        vld1q_s8(q + (size_t)v * quad_bytes + 32 * (2 * h + e) + 16 * u);
                    UNROLL for (int p = 0; p < 2; p++) two[v][u][p] =
                        vmmlaq_s32(two[v][u][p], pair[e][p], x);
                }
            }
        }
    }
    UNROLL for (int v = 0; v < nq; v++)
    {
        UNROLL for (int p = 0; p < 2; p++)
        {
            const int64x2_t a = vreinterpretq_s64_s32(two[v][0][p]),
                            b = vreinterpretq_s64_s32(two[v][1][p]);
            acc[v][2 * p] = vreinterpretq_s32_s64(vtrn1q_s64(a, b));
            acc[v][2 * p + 1] = vreinterpretq_s32_s64(vtrn2q_s64(a, b));
        }
    }
}

static const struct small_tier tier_i8mm = {
    .width = 8, .dot = dot_i8mm, .most_left = 2, .dots = &dotprod_dots
};

typedef void multiply_fn(const struct cn_small_block *b);
#define MULTIPLY_FN(sub, has_min)                                                       \
    static __attribute__((noinline)) void gemm_small_##sub##_##has_min##_i8mm(          \
        const struct cn_small_block *b)                                                 \
    {                                                                                   \
        small_multiply(&tier_i8mm, (const struct small_shape){ 128, sub, has_min }, b); \
    }
MULTIPLY_FN(16, false)
MULTIPLY_FN(16, true)
MULTIPLY_FN(32, false)
MULTIPLY_FN(32, true)

static void gemm_small_multiply_i8mm(const struct cn_small_block *b)
{
    /* [sub == 32][has_min] */
    static multiply_fn *const table[2][2] = {
        {gemm_small_16_false_i8mm,  gemm_small_16_true_i8mm},
        { gemm_small_32_false_i8mm, gemm_small_32_true_i8mm}
    };
    table[b->kind->sub == 32][b->kind->has_min](b);
}

SMALL_TIER(i8mm)

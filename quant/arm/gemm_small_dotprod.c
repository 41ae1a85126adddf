/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once for Armv8.2 with dot products. Idea: gemm_small_arm.h; sdot by element
 * multiplies four columns of four tokens with four codes of a row.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding of the group sums.
 */
#include "quant/arm/gemm_small_arm.h"
#include "quant/arm/simd_dotprod.h"

#include "quant/vec.h"

ALWAYS void dot_dotprod(const struct small_shape k, const int nq, const uint8_t *w,
                        size_t row_bytes, uint8x16_t offset, const int8_t *q, size_t quad_bytes,
                        int32x4_t acc[QUADS][ROWS])
{
    UNROLL for (int v = 0; v < nq; v++)
    {
        UNROLL for (int r = 0; r < ROWS; r++) acc[v][r] = vdupq_n_s32(0);
    }
    UNROLL for (int h = 0; h < k.sub / 16; h++)
    {
        int8x16_t c[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            const uint8x16_t codes = vld1q_u8(w + (size_t)r * row_bytes + 16 * h);
            c[r] = as_codes(k.has_min ? codes : vsubq_u8(codes, offset));
        }
        /* The element is a constant in the instruction. */
#define COLUMNS(i)                                                                                \
    UNROLL for (int v = 0; v < nq; v++)                                                           \
    {                                                                                             \
        const int8x16_t x = vld1q_s8(q + (size_t)v * quad_bytes + 16 * (4 * h + i));              \
        UNROLL for (int r = 0; r < ROWS; r++) acc[v][r] = vdotq_laneq_s32(acc[v][r], x, c[r], i); \
    }
        COLUMNS(0)
        COLUMNS(1)
        COLUMNS(2)
        COLUMNS(3)
    }
}

static const struct small_tier tier_dotprod = {
    .width = 4, .dot = dot_dotprod, .most_left = 2, .dots = &dotprod_dots
};

typedef void multiply_fn(const struct cn_small_block *b);
#define MULTIPLY_FN(sub, has_min)                                                          \
    static __attribute__((noinline)) void gemm_small_##sub##_##has_min##_dotprod(          \
        const struct cn_small_block *b)                                                    \
    {                                                                                      \
        small_multiply(&tier_dotprod, (const struct small_shape){ 128, sub, has_min }, b); \
    }
MULTIPLY_FN(16, false)
MULTIPLY_FN(16, true)
MULTIPLY_FN(32, false)
MULTIPLY_FN(32, true)

static void gemm_small_multiply_dotprod(const struct cn_small_block *b)
{
    /* [sub == 32][has_min] */
    static multiply_fn *const table[2][2] = {
        {gemm_small_16_false_dotprod,  gemm_small_16_true_dotprod},
        { gemm_small_32_false_dotprod, gemm_small_32_true_dotprod}
    };
    table[b->kind->sub == 32][b->kind->has_min](b);
}

SMALL_TIER(dotprod)

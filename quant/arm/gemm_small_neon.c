/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once for Armv8.0. Idea: gemm_small_arm.h; four codes of a row, repeated, meet
 * four columns of four tokens, smull and smlal make 16-bit products.
 *
 * How many of them may be added in 16 bits: eight where codes without their offset are at most 32,
 * four up to 64, two for all others.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding of the group sums.
 */
#include "quant/arm/gemm_small_arm.h"
#include "quant/arm/simd_neon.h"

#include "quant/vec.h"

/* Two rows and nq quads: all four rows would take more registers than there are. */
ALWAYS void dot_two_rows(const struct small_shape k, const int nq, const uint8_t *w,
                         size_t row_bytes, uint8x16_t offset, const int8_t *q, size_t quad_bytes,
                         const int row, int32x4_t to[QUADS][ROWS])
{
    const int steps = k.sub / 4; /* of four columns */
    const int most = k.largest <= 32   ? 8
                     : k.largest <= 64 ? 4
                                       : 2,
              run = most < steps ? most : steps;
    int8x16_t c[2];
    int32x4_t acc[QUADS][2][2]; /* two lanes to a token */
    UNROLL for (int i0 = 0; i0 < steps; i0 += run)
    {
        int16x8_t part[QUADS][2][2];
        UNROLL for (int i = i0; i < i0 + run; i++)
        {
            UNROLL for (int r = 0; r < 2; r++) if (i % 4 == 0)
            {
                const uint8x16_t codes = vld1q_u8(w + (size_t)(row + r) * row_bytes + 4 * i);
                c[r] = as_codes(k.has_min ? codes : vsubq_u8(codes, offset));
            }
            UNROLL for (int v = 0; v < nq; v++)
            {
                const int8x16_t x = vld1q_s8(q + (size_t)v * quad_bytes + 16 * i);
                UNROLL for (int r = 0; r < 2; r++)
                {
                    const int8x16_t b =
                        vreinterpretq_s8_s32(vdupq_n_s32(vreinterpretq_s32_s8(c[r])[i % 4]));
                    int16x8_t *p = part[v][r];
                    p[0] = i == i0 ? vmull_s8(vget_low_s8(x), vget_low_s8(b))
                                   : vmlal_s8(p[0], vget_low_s8(x), vget_low_s8(b));
                    p[1] = i == i0 ? vmull_high_s8(x, b) : vmlal_high_s8(p[1], x, b);
                }
            }
        }
        UNROLL for (int v = 0; v < nq; v++)
        {
            UNROLL for (int r = 0; r < 2; r++)
            {
                UNROLL for (int h = 0; h < 2; h++) acc[v][r][h] =
                    i0 == 0 ? vpaddlq_s16(part[v][r][h]) : vpadalq_s16(acc[v][r][h], part[v][r][h]);
            }
        }
    }
    UNROLL for (int v = 0; v < nq; v++)
    {
        UNROLL for (int r = 0; r < 2; r++) to[v][row + r] = vpaddq_s32(acc[v][r][0], acc[v][r][1]);
    }
}

ALWAYS void dot_neon(const struct small_shape k, const int nq, const uint8_t *w, size_t row_bytes,
                     uint8x16_t offset, const int8_t *q, size_t quad_bytes,
                     int32x4_t acc[QUADS][ROWS])
{
    dot_two_rows(k, nq, w, row_bytes, offset, q, quad_bytes, 0, acc);
    dot_two_rows(k, nq, w, row_bytes, offset, q, quad_bytes, 2, acc);
}

static const struct small_tier tier_neon = {
    .width = 4, .dot = dot_neon, .most_left = 3, .dots = &neon_dots
};

typedef void multiply_fn(const struct cn_small_block *b);
#define MULTIPLY_FN(largest, sub, has_min)                                                  \
    static __attribute__((noinline)) void gemm_small_##largest##_##sub##_##has_min##_neon(  \
        const struct cn_small_block *b)                                                     \
    {                                                                                       \
        small_multiply(&tier_neon, (const struct small_shape){ largest, sub, has_min }, b); \
    }
MULTIPLY_FN(32, 16, false)
MULTIPLY_FN(32, 16, true)
MULTIPLY_FN(32, 32, false)
MULTIPLY_FN(32, 32, true)
MULTIPLY_FN(64, 16, false)
MULTIPLY_FN(64, 32, false)
MULTIPLY_FN(128, 16, false)
MULTIPLY_FN(128, 32, false)

static void gemm_small_multiply_neon(const struct cn_small_block *b)
{
    /* [sub == 32]; [sub == 32][64, 128] */
    static multiply_fn *const with_min[2] = { gemm_small_32_16_true_neon,
                                              gemm_small_32_32_true_neon };
    static multiply_fn *const table[2][3] = {
        {gemm_small_32_16_false_neon,  gemm_small_64_16_false_neon, gemm_small_128_16_false_neon},
        { gemm_small_32_32_false_neon, gemm_small_64_32_false_neon, gemm_small_128_32_false_neon},
    };
    const int largest = small_largest(b->kind), sub32 = b->kind->sub == 32;
    (b->kind->has_min ? with_min[sub32] : table[sub32][largest / 64])(b);
}

SMALL_TIER(neon)

/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles for Armv8.2 with dot products. Lanes are tokens: sdot by element multiplies four
 * columns of four tokens with four codes of a row, which are one of four such in a register.
 *
 * Four rows and eight tokens: eight integer and eight float sums, four registers of codes and two
 * of activations fit without spilling. Integer sums are exact and start at -offset * sum.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding of the group sums only.
 */
#include "quant/arm/gemm_arm.h"
#include "quant/arm/simd_dotprod.h"

#include "quant/vec.h"

enum { ROWS = 4 };

/* The integer sums of sub-block s of the 32 columns from c on, and the sums of its activations. */
ALWAYS void multiply_codes(const int sub, const bool has_min, const int nv,
                           const struct arm_tile *t, int64_t c, const int s, int32x4_t sums[2],
                           int32x4_t acc[ROWS][2])
{
    const uint8_t *w = t->codes + c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK + s * sub;
    const int8_t *qs = t->q + (c + s * sub) * N;
    UNROLL for (int v = 0; v < nv; v++)
    {
        sums[v] = sums_at(t->sum + v * 4, c + s * sub, sub);
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][v] =
            has_min ? vdupq_n_s32(0) : vmulq_n_s32(sums[v], -t->offset);
    }
    UNROLL for (int h = 0; h < sub / 16; h++)
    {
        int8x16_t b[ROWS];
        UNROLL for (int r = 0; r < ROWS; r++) b[r] =
            vreinterpretq_s8_u8(vld1q_u8(w + r * CN_CHUNK + h * 16));
        /* The element is a constant in the instruction. */
#define COLUMNS(i)                                                                                \
    UNROLL for (int v = 0; v < nv; v++)                                                           \
    {                                                                                             \
        const int8x16_t x = vld1q_s8(qs + (4 * h + i) * N * 4 + v * 16);                          \
        UNROLL for (int r = 0; r < ROWS; r++) acc[r][v] = vdotq_laneq_s32(acc[r][v], x, b[r], i); \
    }
        COLUMNS(0)
        COLUMNS(1)
        COLUMNS(2)
        COLUMNS(3)
    }
}

/* Those sums as floats, scaled and less the minimum, are added to those of the 32 columns; the
 * first sub-block begins them. */
ALWAYS void scale_sums(const int sub, const bool has_min, const int nv, const struct arm_tile *t,
                       int64_t c, const int s, const int32x4_t sums[2], int32x4_t acc[ROWS][2],
                       float32x4_t group[ROWS][2])
{
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        const int64_t at = r * t->scale_stride + c / sub + s;
        const float scale = t->scale[at];
        UNROLL for (int v = 0; v < nv; v++)
        {
            float32x4_t f = vcvtq_f32_s32(acc[r][v]);
            f = s == 0 ? vmulq_n_f32(f, scale) : vfmaq_n_f32(group[r][v], f, scale);
            if (has_min)
                f = vfmsq_n_f32(f, vcvtq_f32_s32(sums[v]), t->min[at]);
            group[r][v] = f;
        }
    }
}

/* ROWS rows times 4 * nv tokens, all columns. What is marked const is a constant at each of the
 * places this is inlined to. */
ALWAYS void rows_by_tokens(const int sub, const bool has_min, const int nv,
                           const struct arm_tile *t)
{
    float32x4_t total[ROWS][2];
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) total[r][v] = vdupq_n_f32(0);
    }
    for (int64_t c = 0; c < t->k; c += 32) {
        float32x4_t group[ROWS][2];
        UNROLL for (int s = 0; s < 32 / sub; s++)
        {
            int32x4_t acc[ROWS][2], sums[2];
            multiply_codes(sub, has_min, nv, t, c, s, sums, acc);
            scale_sums(sub, has_min, nv, t, c, s, sums, acc, group);
        }
        UNROLL for (int v = 0; v < nv; v++)
        {
            const float32x4_t d = vld1q_f32(t->d + c / 32 * N + v * 4);
            UNROLL for (int r = 0; r < ROWS; r++) total[r][v] =
                vfmaq_f32(total[r][v], group[r][v], d);
        }
    }
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) vst1q_f32(t->out + r * N + v * 4, total[r][v]);
    }
}

/* One function per sub-block, minimum and number of token vectors, so that all of it is constant.
 */
typedef void rows_fn(const struct arm_tile *t);
#define ROWS_FN(sub, has_min, nv)                                                       \
    static __attribute__((noinline)) void gemm_rows_##sub##_##has_min##_##nv##_dotprod( \
        const struct arm_tile *t)                                                       \
    {                                                                                   \
        rows_by_tokens(sub, has_min, nv, t);                                            \
    }
ROWS_FN(16, 0, 1)
ROWS_FN(16, 0, 2)
ROWS_FN(16, 1, 1)
ROWS_FN(16, 1, 2)
ROWS_FN(32, 0, 1)
ROWS_FN(32, 0, 2)
ROWS_FN(32, 1, 1)
ROWS_FN(32, 1, 2)

/* [sub == 32][has_min][nv - 1] */
static rows_fn *const rows_table[2][2][2] = {
    {{ gemm_rows_16_0_1_dotprod, gemm_rows_16_0_2_dotprod },
     { gemm_rows_16_1_1_dotprod, gemm_rows_16_1_2_dotprod }},
    { { gemm_rows_32_0_1_dotprod, gemm_rows_32_0_2_dotprod },
     { gemm_rows_32_1_1_dotprod, gemm_rows_32_1_2_dotprod }},
};

static void gemm_tile_dotprod(const struct cn_panel_data *p, int64_t row_group,
                              const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                              float *out)
{
    rows_fn *const *rows = rows_table[p->kind->sub == 32][p->kind->has_min];
    for (int t = 0; t < n_tokens; t += 8)
        for (int r = 0; r < N; r += ROWS) {
            const struct arm_tile a = tile_at(p, row_group, r, x, token_group, t, out);
            rows[n_tokens - t > 4](&a);
        }
}

static void gemm_prepare_dotprod(struct cn_panel_data *p, int64_t n_rows)
{
    recentre(p, n_rows);
}

ARM_TILE_F32(dotprod)

const struct cn_gemm cn_gemm_dotprod = { .name = "dotprod",
                                         .prepare = gemm_prepare_dotprod,
                                         .token_groups = 1,
                                         .tile = gemm_tile_dotprod,
                                         .tile_f32 = gemm_tile_f32_dotprod,
                                         .small = &cn_gemm_small_dotprod };

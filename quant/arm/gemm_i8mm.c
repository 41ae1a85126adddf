/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles for Armv8.6 with matrix products of bytes. smmla multiplies eight columns of two
 * rows with eight columns of two tokens: twice the products of sdot.
 *
 * prepare() puts rows in pairs: in each chunk, eight columns of a row, then the same of the next.
 * The activations are brought into that order by a zip of two vectors of four tokens each. Eight
 * rows and four tokens: eight integer and eight float sums; more rows than tokens, so that a zip
 * serves four products. Integer sums are exact and start at -offset * sum.
 *
 * Serves Cortex-A510, A710, X2 and later, Neoverse N2 and V1. Error: float rounding of the group
 * sums only.
 */
#include "quant/arm/gemm_arm.h"
#include "quant/arm/simd_dotprod.h"

#include "quant/vec.h"

#ifndef __ARM_FEATURE_MATMUL_INT8
#error "gemm_i8mm.c needs the flags of the i8mm tier"
#endif

enum { ROWS = 8, PAIRS = ROWS / 2, TOKENS = 4 };

/* Two rows' numbers, each for two tokens. */
ALWAYS float32x4_t two_and_two(const float *p, int64_t stride)
{
    return vcombine_f32(vld1_dup_f32(p), vld1_dup_f32(p + stride));
}

/* The integer sums of sub-block s of the 32 columns from c on, and the sums of its activations. */
ALWAYS void multiply_codes(const int sub, const bool has_min, const struct arm_tile *t, int64_t c,
                           const int s, int32x4_t sums[2], int32x4_t acc[PAIRS][2])
{
    const uint8_t *w = t->codes + c / CN_CHUNK * N * CN_CHUNK + (c % CN_CHUNK + s * sub) * 2;
    const int8_t *qs = t->q + (c + s * sub) * N;
    const int32x4_t of_four = sums_at(t->sum, c + s * sub, sub);
    sums[0] = vcombine_s32(vget_low_s32(of_four), vget_low_s32(of_four));
    sums[1] = vcombine_s32(vget_high_s32(of_four), vget_high_s32(of_four));
    UNROLL for (int v = 0; v < 2; v++)
    {
        UNROLL for (int p = 0; p < PAIRS; p++) acc[p][v] =
            has_min ? vdupq_n_s32(0) : vmulq_n_s32(sums[v], -t->offset);
    }
    UNROLL for (int i = 0; i < sub / 8; i++)
    {
        const int32x4_t lo = vreinterpretq_s32_s8(vld1q_s8(qs + 2 * i * N * 4));
        const int32x4_t hi = vreinterpretq_s32_s8(vld1q_s8(qs + (2 * i + 1) * N * 4));
        const int8x16_t x[2] = { vreinterpretq_s8_s32(vzip1q_s32(lo, hi)),
                                 vreinterpretq_s8_s32(vzip2q_s32(lo, hi)) };
        UNROLL for (int p = 0; p < PAIRS; p++)
        {
            const int8x16_t b = vreinterpretq_s8_u8(vld1q_u8(w + p * 2 * CN_CHUNK + i * 16));
            acc[p][0] = vmmlaq_s32(acc[p][0], b, x[0]);
            acc[p][1] = vmmlaq_s32(acc[p][1], b, x[1]);
        }
    }
}

/* Those sums as floats, scaled and less the minimum, are added to those of the 32 columns; the
 * first sub-block begins them. */
ALWAYS void scale_sums(const int sub, const bool has_min, const struct arm_tile *t, int64_t c,
                       const int s, const int32x4_t sums[2], int32x4_t acc[PAIRS][2],
                       float32x4_t group[PAIRS][2])
{
    UNROLL for (int p = 0; p < PAIRS; p++)
    {
        const int64_t at = 2 * p * t->scale_stride + c / sub + s;
        const float32x4_t scale = two_and_two(t->scale + at, t->scale_stride);
        UNROLL for (int v = 0; v < 2; v++)
        {
            float32x4_t f = vcvtq_f32_s32(acc[p][v]);
            f = s == 0 ? vmulq_f32(f, scale) : vfmaq_f32(group[p][v], f, scale);
            if (has_min)
                f = vfmsq_f32(f, vcvtq_f32_s32(sums[v]), two_and_two(t->min + at, t->scale_stride));
            group[p][v] = f;
        }
    }
}

/* ROWS rows times TOKENS tokens, all columns. What is marked const is a constant at each of the
 * places this is inlined to. Vectors hold row 0 token 0, row 0 token 1, row 1 token 0, row 1 token
 * 1. */
ALWAYS void rows_by_tokens(const int sub, const bool has_min, const struct arm_tile *t)
{
    float32x4_t total[PAIRS][2];
    UNROLL for (int p = 0; p < PAIRS; p++) total[p][0] = total[p][1] = vdupq_n_f32(0);
    for (int64_t c = 0; c < t->k; c += 32) {
        float32x4_t group[PAIRS][2];
        UNROLL for (int s = 0; s < 32 / sub; s++)
        {
            int32x4_t sums[2], acc[PAIRS][2];
            multiply_codes(sub, has_min, t, c, s, sums, acc);
            scale_sums(sub, has_min, t, c, s, sums, acc, group);
        }
        const float32x4_t d = vld1q_f32(t->d + c / 32 * N);
        UNROLL for (int p = 0; p < PAIRS; p++)
        {
            total[p][0] =
                vfmaq_f32(total[p][0], group[p][0], vcombine_f32(vget_low_f32(d), vget_low_f32(d)));
            total[p][1] = vfmaq_f32(total[p][1], group[p][1],
                                    vcombine_f32(vget_high_f32(d), vget_high_f32(d)));
        }
    }
    UNROLL for (int p = 0; p < PAIRS; p++)
    {
        UNROLL for (int v = 0; v < 2; v++)
        {
            vst1_f32(t->out + 2 * p * N + 2 * v, vget_low_f32(total[p][v]));
            vst1_f32(t->out + (2 * p + 1) * N + 2 * v, vget_high_f32(total[p][v]));
        }
    }
}

/* One function per sub-block and minimum, so that all of it is constant. */
typedef void rows_fn(const struct arm_tile *t);
#define ROWS_FN(sub, has_min)                                                 \
    static __attribute__((noinline)) void gemm_rows_##sub##_##has_min##_i8mm( \
        const struct arm_tile *t)                                             \
    {                                                                         \
        rows_by_tokens(sub, has_min, t);                                      \
    }
ROWS_FN(16, 0)
ROWS_FN(16, 1)
ROWS_FN(32, 0)
ROWS_FN(32, 1)

/* [sub == 32][has_min] */
static rows_fn *const rows_table[2][2] = {
    {gemm_rows_16_0_i8mm,  gemm_rows_16_1_i8mm},
    { gemm_rows_32_0_i8mm, gemm_rows_32_1_i8mm}
};

static void gemm_tile_i8mm(const struct cn_panel_data *p, int64_t row_group,
                           const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                           float *out)
{
    rows_fn *rows = rows_table[p->kind->sub == 32][p->kind->has_min];
    for (int t = 0; t < n_tokens; t += TOKENS)
        for (int r = 0; r < N; r += ROWS) {
            const struct arm_tile a = tile_at(p, row_group, r, x, token_group, t, out);
            rows(&a);
        }
}

/* The 64 bytes of each of two rows become eight times (eight of the one, eight of the other). */
static void gemm_pair_rows_i8mm(uint8_t *p)
{
    uint64x2_t a[4], b[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        a[i] = vreinterpretq_u64_u8(vld1q_u8(p + 16 * i));
        b[i] = vreinterpretq_u64_u8(vld1q_u8(p + CN_CHUNK + 16 * i));
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        vst1q_u8(p + 32 * i, vreinterpretq_u8_u64(vzip1q_u64(a[i], b[i])));
        vst1q_u8(p + 32 * i + 16, vreinterpretq_u8_u64(vzip2q_u64(a[i], b[i])));
    }
}

static void gemm_prepare_i8mm(struct cn_panel_data *p, int64_t n_rows)
{
    const int64_t n = (p->n_cols + CN_CHUNK - 1) / CN_CHUNK * CN_CHUNK * N;
    recentre(p, n_rows);
    for (int64_t g = 0; g < n_rows / N; g++)
        for (int64_t i = 0; i < n; i += 2 * CN_CHUNK)
            gemm_pair_rows_i8mm(p->codes + (size_t)g * p->group_stride + i);
}

ARM_TILE_F32(i8mm)

const struct cn_gemm cn_gemm_i8mm = { .name = "i8mm",
                                      .prepare = gemm_prepare_i8mm,
                                      .token_groups = 1,
                                      .tile = gemm_tile_i8mm,
                                      .tile_f32 = gemm_tile_f32_i8mm,
                                      .small = &cn_gemm_small_i8mm };

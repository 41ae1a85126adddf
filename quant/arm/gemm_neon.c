/* SPDX-License-Identifier: MIT
 *
 * The GEMM's tiles for Armv8.0. Lanes are tokens: one broadcast of four codes of a row (ld1r) meets
 * four columns of four tokens, smull and smlal make 16-bit products.
 *
 * How many products of a format with a given largest code may be added in 16 bits: 16 up to code
 * 16, 8 up to 32, 4 up to 64, 2 for all others. All integer sums are exact.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding of the group sums only.
 */
#include "quant/arm/gemm_arm.h"
#include "quant/arm/simd_neon.h"

#include "quant/vec.h"

enum { ROWS = 2 };

/* The integer sums of sub-block s of the 32 columns from c on. klass: products that may be added in
 * 16 bits. Each token has two lanes, in two vectors. */
ALWAYS void multiply_codes(const int klass, const int sub, const int nv, const struct arm_tile *t,
                           int64_t c, const int s, int32x4_t acc[ROWS][2][2])
{
    const int steps = sub / 4; /* of four columns */
    const int run = klass < steps ? klass : steps;
    const uint8_t *w = t->codes + c / CN_CHUNK * N * CN_CHUNK + c % CN_CHUNK + s * sub;
    const int8_t *qs = t->q + (c + s * sub) * N;
    UNROLL for (int i0 = 0; i0 < steps; i0 += run)
    {
        int16x8_t part[ROWS][2][2];
        UNROLL for (int i = i0; i < i0 + run; i++)
        {
            int8x16_t x[2];
            UNROLL for (int v = 0; v < nv; v++) x[v] = vld1q_s8(qs + i * N * 4 + v * 16);
            UNROLL for (int r = 0; r < ROWS; r++)
            {
                const int8x16_t b = vreinterpretq_s8_s32(
                    vld1q_dup_s32((const int32_t *)(const void *)(w + r * CN_CHUNK + i * 4)));
                UNROLL for (int v = 0; v < nv; v++)
                {
                    int16x8_t *p = part[r][v];
                    p[0] = i == i0 ? vmull_s8(vget_low_s8(x[v]), vget_low_s8(b))
                                   : vmlal_s8(p[0], vget_low_s8(x[v]), vget_low_s8(b));
                    p[1] = i == i0 ? vmull_high_s8(x[v], b) : vmlal_high_s8(p[1], x[v], b);
                }
            }
        }
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            UNROLL for (int v = 0; v < nv; v++)
            {
                UNROLL for (int h = 0; h < 2; h++) acc[r][v][h] =
                    i0 == 0 ? vpaddlq_s16(part[r][v][h]) : vpadalq_s16(acc[r][v][h], part[r][v][h]);
            }
        }
    }
}

/* Those sums as floats, scaled, less the offset or the minimum, are added to those of the 32
 * columns; the first sub-block begins them. */
ALWAYS void scale_sums(const int sub, const bool has_min, const int nv, const struct arm_tile *t,
                       int64_t c, const int s, int32x4_t acc[ROWS][2][2],
                       float32x4_t group[ROWS][2])
{
    UNROLL for (int v = 0; v < nv; v++)
    {
        const int32x4_t sums = sums_at(t->sum + v * 4, c + s * sub, sub);
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            const int64_t at = r * t->scale_stride + c / sub + s;
            int32x4_t dot = vpaddq_s32(acc[r][v][0], acc[r][v][1]);
            if (!has_min)
                dot = vmlsq_n_s32(dot, sums, t->offset);
            float32x4_t f = vcvtq_f32_s32(dot);
            f = s == 0 ? vmulq_n_f32(f, t->scale[at]) : vfmaq_n_f32(group[r][v], f, t->scale[at]);
            if (has_min)
                f = vfmsq_n_f32(f, vcvtq_f32_s32(sums), t->min[at]);
            group[r][v] = f;
        }
    }
}

/* ROWS rows times 4 * nv tokens, all columns. What is marked const is a constant at each of the
 * places this is inlined to. */
ALWAYS void rows_by_tokens(const int klass, const int sub, const bool has_min, const int nv,
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
            int32x4_t acc[ROWS][2][2];
            multiply_codes(klass, sub, nv, t, c, s, acc);
            scale_sums(sub, has_min, nv, t, c, s, acc, group);
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

/* One function per class, sub-block, minimum and number of token vectors, so that all of it is
 * constant. */
typedef void rows_fn(const struct arm_tile *t);
#define ROWS_FN(klass, sub, has_min, nv)                                                       \
    static __attribute__((noinline)) void gemm_rows_##klass##_##sub##_##has_min##_##nv##_neon( \
        const struct arm_tile *t)                                                              \
    {                                                                                          \
        rows_by_tokens(klass, sub, has_min, nv, t);                                            \
    }
#define ROWS_FNS(klass)      \
    ROWS_FN(klass, 16, 0, 1) \
    ROWS_FN(klass, 16, 0, 2) \
    ROWS_FN(klass, 16, 1, 1) \
    ROWS_FN(klass, 16, 1, 2) \
    ROWS_FN(klass, 32, 0, 1) \
    ROWS_FN(klass, 32, 0, 2) ROWS_FN(klass, 32, 1, 1) ROWS_FN(klass, 32, 1, 2)
ROWS_FNS(2)
ROWS_FNS(4)
ROWS_FNS(8)
#define ROWS_ENTRY(klass)                                                         \
    {                                                                             \
        {                                                                         \
            {gemm_rows_##klass##_16_0_1_neon,  gemm_rows_##klass##_16_0_2_neon}, \
            { gemm_rows_##klass##_16_1_1_neon, gemm_rows_##klass##_16_1_2_neon}  \
},                                                                        \
        {                                                                         \
            { gemm_rows_##klass##_32_0_1_neon, gemm_rows_##klass##_32_0_2_neon }, \
            {                                                                     \
                gemm_rows_##klass##_32_1_1_neon, gemm_rows_##klass##_32_1_2_neon  \
            }                                                                     \
        }                                                                         \
    }
/* [class][sub == 32][has_min][nv - 1]; eight steps of four columns are the most there are. */
static rows_fn *const rows_table[3][2][2][2] = { ROWS_ENTRY(2), ROWS_ENTRY(4), ROWS_ENTRY(8) };

static void gemm_tile_neon(const struct cn_panel_data *p, int64_t row_group,
                           const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                           float *out)
{
    const struct cn_panel *kind = p->kind;
    const int klass = kind->code_max <= 32 ? 2 : kind->code_max <= 64 ? 1 : 0;
    rows_fn *const *rows = rows_table[klass][kind->sub == 32][kind->has_min];
    for (int t = 0; t < n_tokens; t += 8)
        for (int r = 0; r < N; r += ROWS) {
            const struct arm_tile a = tile_at(p, row_group, r, x, token_group, t, out);
            rows[n_tokens - t > 4](&a);
        }
}

static void gemm_prepare_neon(struct cn_panel_data *p, int64_t n_rows)
{
    recentre(p, n_rows);
}

ARM_TILE_F32(neon)

const struct cn_gemm cn_gemm_neon = { .name = "neon",
                                      .prepare = gemm_prepare_neon,
                                      .token_groups = 1,
                                      .tile = gemm_tile_neon,
                                      .tile_f32 = gemm_tile_f32_neon,
                                      .small = &cn_gemm_small_neon };

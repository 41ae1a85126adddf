/* SPDX-License-Identifier: MIT
 *
 * What the panel GEMMs of the Arm tiers share: lanes are tokens, four to a vector. Codes above 128
 * are recentred around zero once per panel, so that all codes are signed bytes; a constant offset
 * is taken out in integers.
 */
#ifndef CN_GEMM_ARM_H
#define CN_GEMM_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/gemm.h"

enum { N = 16, CENTRE = 128 };

/* Whether a panel's codes are signed bytes only once recentred. */
ALWAYS bool needs_centre(const struct cn_panel *kind)
{
    return kind->code_max > 127;
}

ALWAYS int panel_offset(const struct cn_panel *kind)
{
    return needs_centre(kind) ? kind->offset - CENTRE : kind->offset;
}

/* What rows times tokens are made of; pointers to the first of each. */
struct arm_tile {
    int64_t k;
    int offset;
    const uint8_t *codes; /* rows are CN_CHUNK bytes apart, chunks N rows */
    const float *scale, *min;
    int64_t scale_stride;
    const int8_t *q;
    const float *d;
    const int32_t *sum;
    float *out;
};

ALWAYS struct arm_tile tile_at(const struct cn_panel_data *p, int64_t row_group, int row,
                               const struct cn_act_panel *x, int64_t token_group, int token,
                               float *out)
{
    const int64_t scales = (row_group * N + row) * p->scale_stride;
    const int64_t first = token_group * x->n_cols;
    return (struct arm_tile){
        .k = p->n_cols,
        .offset = panel_offset(p->kind),
        .codes = p->codes + (size_t)row_group * p->group_stride + (size_t)row * CN_CHUNK,
        .scale = p->scale + scales,
        .min = p->min + scales,
        .scale_stride = p->scale_stride,
        .q = x->q + first * N + token * 4,
        .d = x->d + first / 32 * N + token,
        .sum = x->sum + first / 16 * N + token,
        .out = out + row * N + token,
    };
}

/* The sums of the activations of 16 or 32 columns from c on. */
ALWAYS int32x4_t sums_at(const int32_t *sum, int64_t c, const int sub)
{
    const int32_t *p = sum + c / 16 * N;
    return sub == 32 ? vaddq_s32(vld1q_s32(p), vld1q_s32(p + N)) : vld1q_s32(p);
}

/* Codes of whole row groups as signed bytes. */
ALWAYS void recentre(struct cn_panel_data *p, int64_t n_rows)
{
    const int64_t n = (p->n_cols + CN_CHUNK - 1) / CN_CHUNK * CN_CHUNK * N;
    if (!needs_centre(p->kind))
        return;
    for (int64_t g = 0; g < n_rows / N; g++)
        for (int64_t i = 0; i < n; i += 16) {
            uint8_t *v = p->codes + (size_t)g * p->group_stride + i;
            vst1q_u8(v, veorq_u8(vld1q_u8(v), vdupq_n_u8(CENTRE)));
        }
}

/* Four rows times 4 * nv tokens of a float panel. */
ALWAYS void rows_f32(const int nv, int64_t k, const uint8_t *w, const float *x, float *out)
{
    enum { ROWS = 4 };
    float32x4_t acc[ROWS][4];
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) acc[r][v] = vdupq_n_f32(0);
    }
    for (int64_t c = 0; c < k; c++) {
        const float *column = (const float *)(const void *)(w + c / 16 * N * CN_CHUNK) + c % 16;
        float32x4_t xv[4];
        UNROLL for (int v = 0; v < nv; v++) xv[v] = vld1q_f32(x + c * N + 4 * v);
        UNROLL for (int r = 0; r < ROWS; r++)
        {
            const float32x4_t b = vld1q_dup_f32(column + r * CN_CHUNK / 4);
            UNROLL for (int v = 0; v < nv; v++) acc[r][v] = vfmaq_f32(acc[r][v], xv[v], b);
        }
    }
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        UNROLL for (int v = 0; v < nv; v++) vst1q_f32(out + r * N + 4 * v, acc[r][v]);
    }
}

ALWAYS void arm_tile_f32(const struct cn_panel_data *p, int64_t row_group,
                         const struct cn_act_panel *x, int64_t token_group, int n_tokens,
                         float *out)
{
    const uint8_t *w = p->codes + (size_t)row_group * p->group_stride;
    const float *in = x->x + token_group * N * x->n_cols;
    for (int r = 0; r < N; r += 4) {
        if (n_tokens > 8)
            rows_f32(4, p->n_cols, w + r * CN_CHUNK, in, out + r * N);
        else if (n_tokens > 4)
            rows_f32(2, p->n_cols, w + r * CN_CHUNK, in, out + r * N);
        else
            rows_f32(1, p->n_cols, w + r * CN_CHUNK, in, out + r * N);
    }
}

/* Defines the tile of float panels of a kernel file. */
#define ARM_TILE_F32(tier)                                                              \
    static void gemm_tile_f32_##tier(const struct cn_panel_data *p, int64_t row_group,  \
                                     const struct cn_act_panel *x, int64_t token_group, \
                                     int n_tokens, float *out)                          \
    {                                                                                   \
        arm_tile_f32(p, row_group, x, token_group, n_tokens, out);                      \
    }

#endif

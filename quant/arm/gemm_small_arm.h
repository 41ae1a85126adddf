/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once on Arm: what tiers share that multiply bytes differently.
 *
 * Codes of four rows lie in the tile as the unpacker left them. Tokens are taken in quads, lanes
 * being tokens as in the panel GEMM; what is left over is multiplied as gemv does, for a quad would
 * cost more. Either way sums of floats are added in gemv's order: there are eight, the
 * g-th group of columns goes to sum g % 8, and they are added up at the end of the columns.
 */
#ifndef CN_GEMM_SMALL_ARM_H
#define CN_GEMM_SMALL_ARM_H

#include "quant/arm/simd_arm.h"
#include "quant/gemm.h"

enum { ROWS = CN_SMALL_ROWS, QUAD = 4, QUADS = 2, SUMS = 8 };

/* What is constant at each of the places that a product is inlined to. */
struct small_shape {
    int largest; /* magnitude of a code without its offset is at most 32, 64 or 128 */
    int sub;
    bool has_min;
};

/* What a tier brings. */
struct small_tier {
    int width; /* of a quad of tokens: columns of one before those of the next, 4 or 8 */
    /* Integer sums of a group of four rows from w on, row_bytes apart, and nq quads of tokens,
     * quad_bytes apart: acc[quad][row], lanes are tokens. */
    void (*dot)(const struct small_shape k, const int nq, const uint8_t *w, size_t row_bytes,
                uint8x16_t offset, const int8_t *q, size_t quad_bytes, int32x4_t acc[QUADS][ROWS]);
    /* What is left over, up to so many tokens, goes row by row instead, by these dots: as a quad it
     * would take longer. */
    int most_left;
    const struct arm_dots *dots;
};

/* How many tokens go in quads, the last of which may have one too few. */
ALWAYS int tokens_in_quads(const struct small_tier *tier, int n_tokens)
{
    const int left = n_tokens % QUAD;
    return n_tokens - left + (left > tier->most_left ? QUAD : 0);
}

/* Numbers of four tokens, `stride` apart, become [number][4]; `spare` holds as many. */
ALWAYS void interleave_floats(int64_t n, float *v, int64_t stride, float *spare)
{
    for (int64_t i = 0; i < n; i += 4) {
        float32x4x4_t four;
        UNROLL for (int t = 0; t < QUAD; t++) four.val[t] = vld1q_f32(v + t * stride + i);
        vst4q_f32(spare + QUAD * i, four);
    }
    memcpy(v, spare, (size_t)n * QUAD * sizeof *v);
}

/* The same of n bytes, which become [n / width][4][width]. */
ALWAYS void interleave_bytes(const int width, int64_t n, uint8_t *v, uint8_t *spare)
{
    for (int64_t i = 0; i < n; i += 16) {
        uint32x4x4_t by_4;
        uint64x2x4_t by_8;
        UNROLL for (int t = 0; t < QUAD; t++)
        {
            const uint8x16_t q = vld1q_u8(v + t * n + i);
            by_4.val[t] = vreinterpretq_u32_u8(q);
            by_8.val[t] = vreinterpretq_u64_u8(q);
        }
        if (width == 4)
            vst4q_u32((uint32_t *)(void *)(spare + QUAD * i), by_4);
        else
            vst4q_u64((uint64_t *)(void *)(spare + QUAD * i), by_8);
    }
    memcpy(v, spare, (size_t)n * QUAD);
}

/* See cn_gemm_small.group. */
ALWAYS void small_group(const struct small_tier *tier, const struct cn_small_block *b,
                        uint8_t *acts, float *d, float *sum, uint8_t *spare)
{
    const int64_t groups = b->n_units * SUMS;
    for (int t = 0; t < tokens_in_quads(tier, b->n_tokens); t += QUAD) {
        if (t + 3 == b->n_tokens) { /* one too few */
            memset(acts + (size_t)(t + 3) * b->bytes, 0, b->bytes);
            memset(d + (t + 3) * groups, 0, (size_t)groups * sizeof *d);
            memset(sum + (t + 3) * groups, 0, (size_t)groups * sizeof *sum);
        }
        interleave_bytes(tier->width, (int64_t)b->bytes, acts + (size_t)t * b->bytes, spare);
        interleave_floats(groups, d + t * groups, groups, (float *)(void *)spare);
        interleave_floats(groups, sum + t * groups, groups, (float *)(void *)spare);
    }
}

/* Rows of a token to where they belong. */
ALWAYS void put_rows(const struct cn_small_block *b, int t, float32x4_t v)
{
    float *y = b->y + t * b->y_stride, four[ROWS];
    if (b->n_rows == ROWS) {
        vst1q_f32(y, b->add ? vaddq_f32(vld1q_f32(y), v) : v);
        return;
    }
    vst1q_f32(four, v);
    for (int r = 0; r < b->n_rows; r++)
        y[r] = b->add ? y[r] + four[r] : four[r];
}

/* Those sums as floats, scaled and less the minima: scale and min of the rows are `groups` apart.
 */
ALWAYS void add_scaled(const struct small_shape k, const int32x4_t acc[ROWS], const float *scale,
                       const float *min, int64_t groups, float32x4_t d, float32x4_t sum,
                       float32x4_t total[ROWS])
{
    UNROLL for (int r = 0; r < ROWS; r++)
    {
        total[r] = vfmaq_f32(total[r], vcvtq_f32_s32(acc[r]), vmulq_n_f32(d, scale[r * groups]));
        if (k.has_min)
            total[r] = vfmsq_n_f32(total[r], sum, min[r * groups]);
    }
}

/* Afterwards vector t has the four rows of token t. */
ALWAYS void turn4(float32x4_t v[4])
{
    const float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
    UNROLL for (int i = 0; i < 2; i++)
    {
        v[i] = vcombine_f32(vget_low_f32(a.val[i]), vget_low_f32(b.val[i]));
        v[i + 2] = vcombine_f32(vget_high_f32(a.val[i]), vget_high_f32(b.val[i]));
    }
}

/* All rows times nq quads of tokens from t on. */
ALWAYS void small_quads(const struct small_tier *tier, const struct small_shape k, const int nq,
                        const struct cn_small_block *b, int t)
{
    const int64_t groups = b->n_units * SUMS;
    const size_t quad_bytes = QUAD * b->bytes;
    const uint8x16_t offset = vdupq_n_u8(b->kind->offset);
    const uint8_t *acts = b->acts + (size_t)t * b->bytes;
    float32x4_t sums[SUMS][QUADS][ROWS];
    for (int s = 0; s < SUMS; s++) {
        float32x4_t total[QUADS][ROWS];
        UNROLL for (int v = 0; v < nq; v++)
        {
            UNROLL for (int i = 0; i < 4; i++) total[v][i] = vdupq_n_f32(0);
        }
        for (int64_t g = s; g < groups; g += SUMS) {
            int32x4_t acc[QUADS][ROWS];
            tier->dot(k, nq, b->codes + g * k.sub, b->bytes, offset,
                      (const int8_t *)acts + g * k.sub * QUAD, quad_bytes, acc);
            UNROLL for (int v = 0; v < nq; v++)
            {
                const int64_t at = (t + v * QUAD) * groups + g * QUAD;
                add_scaled(k, acc[v], b->scale + g, b->min + g, groups, vld1q_f32(b->d + at),
                           vld1q_f32(b->sum + at), total[v]);
            }
        }
        UNROLL for (int v = 0; v < nq; v++)
        {
            UNROLL for (int i = 0; i < 4; i++) sums[s][v][i] = total[v][i];
        }
    }
    UNROLL for (int v = 0; v < nq; v++)
    {
        float32x4_t rows[4];
        UNROLL for (int i = 0; i < 4; i++)
        {
            float32x4_t pair[4];
            UNROLL for (int s = 0; s < 4; s++) pair[s] =
                vaddq_f32(sums[s][v][i], sums[s + 4][v][i]);
            rows[i] = vaddq_f32(vaddq_f32(pair[0], pair[1]), vaddq_f32(pair[2], pair[3]));
        }
        turn4(rows);
        UNROLL for (int i = 0; i < QUAD; i++) if (t + v * QUAD + i < b->n_tokens)
            put_rows(b, t + v * QUAD + i, rows[i]);
    }
}

/* A row times nt tokens (1 to 3) from t on, lanes being groups. */
ALWAYS void small_row(const struct small_tier *tier, const struct small_shape k, const int nt,
                      const struct cn_small_block *b, int r, int t, float y[QUAD - 1])
{
    const int vectors = 4 * k.sub / 16; /* of four groups */
    const int64_t groups = b->n_units * SUMS;
    const uint8x16_t offset = vdupq_n_u8(b->kind->offset);
    const uint8_t *w = b->codes + (size_t)r * b->bytes;
    const float *scale = b->scale + r * groups, *min = b->min + r * groups;
    const float *d = b->d + t * groups, *sum = b->sum + t * groups;
    const int8_t *q = (const int8_t *)b->acts + (size_t)t * b->bytes;
    float32x4_t total[QUAD - 1][2];
    UNROLL for (int v = 0; v < nt; v++) total[v][0] = total[v][1] = vdupq_n_f32(0);
    for (int64_t g = 0; g < groups; g += SUMS)
        UNROLL for (int h = 0; h < 2; h++)
        {
            const int64_t at = g + 4 * h;
            int8x16_t c[8];
            UNROLL for (int i = 0; i < vectors; i++)
            {
                const uint8x16_t codes = vld1q_u8(w + at * k.sub + 16 * i);
                c[i] = as_codes(k.has_min ? codes : vsubq_u8(codes, offset));
            }
            UNROLL for (int v = 0; v < nt; v++)
            {
                const int8_t *x = q + (size_t)v * b->bytes + at * k.sub;
                const int32x4_t dot = k.sub == 32 ? tier->dots->of32(c, x, k.largest)
                                                  : tier->dots->of16(c, x, k.largest);
                const float32x4_t by =
                    vmulq_f32(vld1q_f32(scale + at), vld1q_f32(d + v * groups + at));
                total[v][h] = vfmaq_f32(total[v][h], vcvtq_f32_s32(dot), by);
                if (k.has_min)
                    total[v][h] = vfmsq_f32(total[v][h], vld1q_f32(min + at),
                                            vld1q_f32(sum + v * groups + at));
            }
        }
    UNROLL for (int v = 0; v < nt; v++) y[v] = vaddvq_f32(vaddq_f32(total[v][0], total[v][1]));
}

ALWAYS void small_rows(const struct small_tier *tier, const struct small_shape k, const int nt,
                       const struct cn_small_block *b, int t)
{
    for (int r = 0; r < b->n_rows; r++) {
        float y[QUAD - 1];
        small_row(tier, k, nt, b, r, t, y);
        UNROLL for (int v = 0; v < nt; v++)
        {
            float *to = b->y + (t + v) * b->y_stride + r;
            *to = b->add ? *to + y[v] : y[v];
        }
    }
}

ALWAYS void small_multiply(const struct small_tier *tier, const struct small_shape k,
                           const struct cn_small_block *b)
{
    const int in_quads = tokens_in_quads(tier, b->n_tokens);
    int t = 0;
    for (; t + 2 * QUAD <= in_quads; t += 2 * QUAD)
        small_quads(tier, k, 2, b, t);
    if (t < in_quads)
        small_quads(tier, k, 1, b, t);
    const int left = b->n_tokens - in_quads;
    if (left == 1)
        small_rows(tier, k, 1, b, in_quads);
    else if (left == 2)
        small_rows(tier, k, 2, b, in_quads);
    else if (left == 3 && tier->most_left == 3)
        small_rows(tier, k, 3, b, in_quads);
}

/* Codes become signed bytes when they are loaded; where there is a minimum there is no offset. */
ALWAYS enum cn_small_form small_form(const struct cn_panel *kind)
{
    return kind->has_min ? CN_SMALL_MIN : CN_SMALL_SIGNED;
}

/* The largest magnitude of a code without its offset, as struct small_shape has it. */
ALWAYS int small_largest(const struct cn_panel *kind)
{
    const int above = kind->code_max - kind->offset, below = kind->offset;
    const int most = above > below ? above : below;
    return most <= 32 ? 32 : most <= 64 ? 64 : 128;
}

/* Defines what a kernel file exports, by its gemm_small_multiply_<tier>. */
#define SMALL_TIER(tier)                                                                         \
    static enum cn_small_form gemm_small_form_##tier(const struct cn_panel *kind)                \
    {                                                                                            \
        return small_form(kind);                                                                 \
    }                                                                                            \
    static void gemm_small_group_##tier(const struct cn_small_block *b, uint8_t *acts, float *d, \
                                        float *sum, uint8_t *spare)                              \
    {                                                                                            \
        small_group(&tier_##tier, b, acts, d, sum, spare);                                       \
    }                                                                                            \
    const struct cn_gemm_small cn_gemm_small_##tier = {                                          \
        .lanes = SUMS,                                                                           \
        .signed_bytes = 1,                                                                       \
        .gemv_tiers = 1u << CN_TIER_NEON | 1u << CN_TIER_DOTPROD,                                \
        .least_tokens = {[CN_SMALL_MIN] = 3,   [CN_SMALL_SIGNED] = 3 },                           \
        .most_tokens = { [CN_SMALL_MIN] = 32, [CN_SMALL_SIGNED] = 32},                          \
        .form = gemm_small_form_##tier,                                                          \
        .group = gemm_small_group_##tier,                                                        \
        .multiply = gemm_small_multiply_##tier,                                                  \
    };

#endif

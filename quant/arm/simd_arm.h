/* SPDX-License-Identifier: MIT
 *
 * What all Arm tiers share: the products and the unpacking of quantised formats, written once over
 * two things that differ. How a format packs its codes is in <id>_arm.h (struct arm_format); how
 * bytes are multiplied is in simd_neon.h and simd_dotprod.h (struct arm_dots).
 *
 * A step is 256 columns. Products of four groups are summed together to one vector, lane = group,
 * so that scales, minima and activation scales meet them as plain vectors; offsets are taken out in
 * integers by means of the activations' sums.
 */
#ifndef CN_SIMD_ARM_H
#define CN_SIMD_ARM_H

#ifndef __ARM_NEON
#error "simd_arm.h needs an Arm CPU with Advanced SIMD"
#endif

#include "quant/simd.h"

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

/* The f16 at p. */
ALWAYS float half_at(const void *p)
{
    float16_t h;
    memcpy(&h, p, sizeof h);
    return (float)h;
}

/* Eight f16 as floats. */
ALWAYS float32x4x2_t floats_of_halves(uint16x4_t lo, uint16x4_t hi)
{
    return (float32x4x2_t){
        {vcvt_f32_f16(vreinterpret_f16_u16(lo)), vcvt_f32_f16(vreinterpret_f16_u16(hi))}
    };
}

/* The f16 at the start of each of eight places `stride` bytes apart. */
ALWAYS float32x4x2_t halves_at(const uint8_t *p, const int stride)
{
    uint16x4_t v[2] = { vdup_n_u16(load16(p)), vdup_n_u16(load16(p + 4 * stride)) };
    UNROLL for (int h = 0; h < 2; h++, p += 4 * stride)
    {
        v[h] = vset_lane_u16(load16(p + stride), v[h], 1);
        v[h] = vset_lane_u16(load16(p + 2 * stride), v[h], 2);
        v[h] = vset_lane_u16(load16(p + 3 * stride), v[h], 3);
    }
    return floats_of_halves(v[0], v[1]);
}

ALWAYS float32x4x2_t floats_of_u8(uint8x8_t v)
{
    uint16x8_t w = vmovl_u8(v);
    return (float32x4x2_t){
        {vcvtq_f32_u32(vmovl_u16(vget_low_u16(w))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(w)))}
    };
}

ALWAYS float32x4x2_t floats_of_i8(int8x8_t v)
{
    int16x8_t w = vmovl_s8(v);
    return (float32x4x2_t){
        {vcvtq_f32_s32(vmovl_s16(vget_low_s16(w))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(w)))}
    };
}

ALWAYS float32x4x2_t times(float32x4x2_t v, float s)
{
    return (float32x4x2_t){
        {vmulq_n_f32(v.val[0], s), vmulq_n_f32(v.val[1], s)}
    };
}

/* Bytes shifted right, or left if n is negative. */
ALWAYS uint8x16_t shifted(uint8x16_t v, const int n)
{
    return n < 0 ? v << vdupq_n_u8((uint8_t)-n) : v >> vdupq_n_u8((uint8_t)n);
}

/* n bits of each byte from bit `at` on, at bit `to`. */
ALWAYS uint8x16_t bits(uint8x16_t v, const int at, const int n, const int to)
{
    if (at + n == 8 && to == 0)
        return shifted(v, at);
    return vandq_u8(shifted(v, at - to), vdupq_n_u8((uint8_t)(((1 << n) - 1) << to)));
}

ALWAYS int8x16_t as_codes(uint8x16_t v)
{
    return vreinterpretq_s8_u8(v);
}

/* Sixteen bytes: byte 2k of v eight times, then byte 2k + 1. */
ALWAYS uint8x16_t spread_pair(uint8x16_t v, const int k)
{
    return vqtbl1q_u8(v, vcombine_u8(vdup_n_u8((uint8_t)(2 * k)), vdup_n_u8((uint8_t)(2 * k + 1))));
}

/* 255 where a bit of sixteen is set: bits of two bytes, each there eight times. */
ALWAYS uint8x16_t mask_of_bits(uint8x16_t spread)
{
    return vtstq_u8(spread, vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u)));
}

/* -v where mask is 255. */
ALWAYS int8x16_t negated(uint8x16_t v, uint8x16_t mask)
{
    return as_codes(vsubq_u8(veorq_u8(v, mask), mask));
}

/* ---- a format ------------------------------------------------------------------------------- */

/* The integer scales of a step whose groups are of 16 columns: w = d * scale * level - dmin * min.
 */
struct arm_scales16 {
    int8x16_t scale;
    uint8x16_t min; /* <= 15 */
    float d, dmin;
};

/* `codes` and the scales are functions of the step's bytes; what they are not asked for they need
 * not compute. Constants, so that everything folds. */
struct arm_format {
    int block_elems, block_bytes;
    int header_bytes; /* of a row, which row_scale() understands; 0: none */
    float (*row_scale)(const uint8_t *row);
    int sub;     /* 16 or 32: columns of a group */
    int largest; /* of |codes()| */
    int offset;  /* level = codes() - offset */
    int bias;    /* code in a panel = codes() + bias */
    bool has_min;
    int8x16_t (*codes)(const uint8_t *step, const int i); /* columns 16 i .. 16 i + 15 */
    float32x4x2_t (*scales)(const uint8_t *step);         /* sub == 32: of the eight groups */
    float32x4x2_t (*mins)(const uint8_t *step);           /* likewise, if has_min */
    struct arm_scales16 (*scales16)(const uint8_t *step); /* sub == 16 */
    float32x4x4_t (*floats16)(const uint8_t *step);       /* sub == 16, where scales are floats */
};

/* Sums of products of codes and activations, one lane a group. */
struct arm_dots {
    int32x4_t (*of32)(const int8x16_t c[8], const int8_t *q,
                      const int largest); /* 4 groups of 32 */
    int32x4_t (*of16)(const int8x16_t c[4], const int8_t *q,
                      const int largest); /* 4 groups of 16 */
};

/* ---- gemv ------------------------------------------------------------------------------------ */

/* What a step needs of the activations. */
struct arm_act {
    const int8_t *q;
    const float *d, *sum32;
    const int16_t *sum16;
};

enum { ARM_STEP = 256, ARM_PREFETCH = 1024 };

/* Asks for the cache lines that lie ahead of n bytes at p. n is a constant. */
ALWAYS void prefetch(const uint8_t *p, const int n)
{
    UNROLL for (int i = 0; i < n; i += 64) __builtin_prefetch(p + ARM_PREFETCH + i);
}

ALWAYS float32x4x2_t step32(const struct arm_format *f, const struct arm_dots *dots,
                            const uint8_t *b, struct arm_act x, float32x4x2_t total)
{
    const float32x4x2_t scale = f->scales(b);
    const int16x8_t sums = vpaddq_s16(vld1q_s16(x.sum16), vld1q_s16(x.sum16 + 8));
    UNROLL for (int h = 0; h < 2; h++)
    {
        int8x16_t c[8];
        UNROLL for (int i = 0; i < 8; i++) c[i] = f->codes(b, 8 * h + i);
        int32x4_t dot = dots->of32(c, x.q + 128 * h, f->largest);
        if (f->offset)
            dot =
                vmlsl_n_s16(dot, h ? vget_high_s16(sums) : vget_low_s16(sums), (int16_t)f->offset);
        total.val[h] = vfmaq_f32(total.val[h], vcvtq_f32_s32(dot),
                                 vmulq_f32(scale.val[h], vld1q_f32(x.d + 4 * h)));
    }
    if (f->has_min) {
        const float32x4x2_t min = f->mins(b);
        UNROLL for (int h = 0; h < 2; h++) total.val[h] =
            vfmsq_f32(total.val[h], min.val[h], vld1q_f32(x.sum32 + 4 * h));
    }
    return total;
}

/* Where scales of 16 are floats. */
ALWAYS float32x4x2_t step_floats16(const struct arm_format *f, const struct arm_dots *dots,
                                   const uint8_t *b, struct arm_act x, float32x4x2_t total)
{
    const float32x4x4_t scale = f->floats16(b);
    UNROLL for (int k = 0; k < 4; k++)
    {
        int8x16_t c[4];
        UNROLL for (int i = 0; i < 4; i++) c[i] = f->codes(b, 4 * k + i);
        int32x4_t dot = dots->of16(c, x.q + 64 * k, f->largest);
        if (f->offset)
            dot = vmlsl_n_s16(dot, vld1_s16(x.sum16 + 4 * k), (int16_t)f->offset);
        const float32x2_t d = vld1_f32(x.d + 2 * k);
        const float32x4_t twice = vcombine_f32(vdup_lane_f32(d, 0), vdup_lane_f32(d, 1));
        total.val[k / 2] =
            vfmaq_f32(total.val[k / 2], vcvtq_f32_s32(dot), vmulq_f32(scale.val[k], twice));
    }
    return total;
}

ALWAYS float32x4x2_t step16(const struct arm_format *f, const struct arm_dots *dots,
                            const uint8_t *b, struct arm_act x, float32x4x2_t total)
{
    const struct arm_scales16 s = f->scales16(b);
    UNROLL for (int h = 0; h < 2; h++)
    {
        const int16x8_t scale = h ? vmovl_high_s8(s.scale) : vmovl_s8(vget_low_s8(s.scale));
        const int16x8_t sums = vld1q_s16(x.sum16 + 8 * h);
        int32x4_t dot[2];
        UNROLL for (int k = 0; k < 2; k++)
        {
            int8x16_t c[4];
            UNROLL for (int i = 0; i < 4; i++) c[i] = f->codes(b, 8 * h + 4 * k + i);
            dot[k] = dots->of16(c, x.q + 128 * h + 64 * k, f->largest);
            if (f->offset)
                dot[k] = vmlsl_n_s16(dot[k], k ? vget_high_s16(sums) : vget_low_s16(sums),
                                     (int16_t)f->offset);
            dot[k] = vmulq_s32(dot[k], k ? vmovl_high_s16(scale) : vmovl_s16(vget_low_s16(scale)));
        }
        const float32x4_t d = vld1q_f32(x.d + 4 * h);
        total.val[h] =
            vfmaq_f32(total.val[h], vcvtq_f32_s32(vpaddq_s32(dot[0], dot[1])), vmulq_n_f32(d, s.d));
        if (f->has_min) {
            const int16x8_t min =
                vreinterpretq_s16_u16(h ? vmovl_high_u8(s.min) : vmovl_u8(vget_low_u8(s.min)));
            total.val[h] = vfmsq_f32(total.val[h], vcvtq_f32_s32(vpaddlq_s16(vmulq_s16(min, sums))),
                                     vmulq_n_f32(d, s.dmin));
        }
    }
    return total;
}

ALWAYS float32x4x2_t one_step(const struct arm_format *f, const struct arm_dots *dots,
                              const uint8_t *b, struct arm_act x, float32x4x2_t total)
{
    return f->sub == 32  ? step32(f, dots, b, x, total)
           : f->floats16 ? step_floats16(f, dots, b, x, total)
                         : step16(f, dots, b, x, total);
}

/* y = W x. Blocks of zeros make up for what the last step of a row lacks: they lie in a copy, so
 * nothing is read beyond the row. Sums are added up every CN_GEMM_COLS columns, as where a few
 * tokens are multiplied at once (gemm_small_arm.h). */
ALWAYS void arm_gemv(const struct arm_format *f, const struct arm_dots *dots, int64_t n_rows,
                     int64_t n_cols, const void *w, size_t row_bytes, const struct cn_act *x,
                     float *y)
{
    const int step_bytes = ARM_STEP / f->block_elems * f->block_bytes;
    const int64_t whole = n_cols / ARM_STEP * ARM_STEP;
    const size_t rest = f->block_elems == ARM_STEP ? 0 : (size_t)(n_cols - whole);
    int8_t q[ARM_STEP];
    float d[8], sum32[8];
    int16_t sum16[16];
    uint8_t blocks[8 * 40];
    if (rest) {
        memset(q, 0, sizeof q);
        memset(d, 0, sizeof d);
        memset(sum32, 0, sizeof sum32);
        memset(sum16, 0, sizeof sum16);
        memset(blocks, 0, sizeof blocks);
        memcpy(q, x->q + whole, rest);
        memcpy(d, x->d + whole / 32, rest / 32 * sizeof *d);
        memcpy(sum32, x->sum32 + whole / 32, rest / 32 * sizeof *sum32);
        memcpy(sum16, x->sum16 + whole / 16, rest / 16 * sizeof *sum16);
    }
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *const row = (const uint8_t *)w + (size_t)r * row_bytes;
        const uint8_t *b = row + f->header_bytes;
        struct arm_act a = { x->q, x->d, x->sum32, x->sum16 };
        y[r] = 0;
        for (int64_t first = 0; first < n_cols; first += CN_GEMM_COLS) {
            const int64_t end = first + CN_GEMM_COLS < whole ? first + CN_GEMM_COLS : whole;
            float32x4x2_t total = {
                {vdupq_n_f32(0), vdupq_n_f32(0)}
            };
            for (int64_t c = first; c < end; c += ARM_STEP, b += step_bytes) {
                prefetch(b, step_bytes);
                total = one_step(f, dots, b, a, total);
                a.q += ARM_STEP;
                a.d += ARM_STEP / 32;
                a.sum32 += ARM_STEP / 32;
                a.sum16 += ARM_STEP / 16;
            }
            if (rest && first + CN_GEMM_COLS > whole) {
                a = (struct arm_act){ q, d, sum32, sum16 };
                memcpy(blocks, b, rest / (size_t)f->block_elems * (size_t)f->block_bytes);
                total = one_step(f, dots, blocks, a, total);
            }
            y[r] += vaddvq_f32(vaddq_f32(total.val[0], total.val[1]));
        }
        if (f->row_scale)
            y[r] *= f->row_scale(row);
    }
}

/* y = W x of a float format: elements of elem_bytes, read eight at a time or one. */
ALWAYS void arm_gemv_floats(float32x4x2_t (*eight)(const uint8_t *), float (*one)(const uint8_t *),
                            const int elem_bytes, int64_t n_rows, int64_t n_cols, const void *w,
                            size_t row_bytes, const float *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *p = (const uint8_t *)w + (size_t)r * row_bytes;
        float32x4_t sum[8];
        UNROLL for (int i = 0; i < 8; i++) sum[i] = vdupq_n_f32(0);
        int64_t c = 0;
        for (; c + 32 <= n_cols; c += 32, p += 32 * elem_bytes) {
            prefetch(p, 32 * elem_bytes);
            UNROLL for (int i = 0; i < 4; i++)
            {
                const float32x4x2_t v = eight(p + 8 * i * elem_bytes);
                sum[2 * i] = vfmaq_f32(sum[2 * i], v.val[0], vld1q_f32(x + c + 8 * i));
                sum[2 * i + 1] = vfmaq_f32(sum[2 * i + 1], v.val[1], vld1q_f32(x + c + 8 * i + 4));
            }
        }
        for (; c + 8 <= n_cols; c += 8, p += 8 * elem_bytes) {
            const float32x4x2_t v = eight(p);
            sum[0] = vfmaq_f32(sum[0], v.val[0], vld1q_f32(x + c));
            sum[1] = vfmaq_f32(sum[1], v.val[1], vld1q_f32(x + c + 4));
        }
        UNROLL for (int i = 0; i < 4; i++) sum[i] = vaddq_f32(sum[i], sum[i + 4]);
        float total = vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
        for (; c < n_cols; c++, p += elem_bytes)
            total += one(p) * x[c];
        y[r] = total;
    }
}

/* ---- unpack ---------------------------------------------------------------------------------- */

ALWAYS void put_codes(const struct arm_format *f, uint8_t *codes, const uint8_t *b, const int i)
{
    const uint8x16_t v = vreinterpretq_u8_s8(f->codes(b, i));
    vst1q_u8(codes, f->bias ? vaddq_u8(v, vdupq_n_u8((uint8_t)f->bias)) : v);
}

ALWAYS void put_floats(float *to, float32x4x2_t v)
{
    vst1q_f32(to, v.val[0]);
    vst1q_f32(to + 4, v.val[1]);
}

/* The scales, and minima, of a step. */
ALWAYS void put_scales(const struct arm_format *f, const uint8_t *b, float *scale, float *min)
{
    if (f->sub == 32) {
        put_floats(scale, f->scales(b));
        if (f->has_min)
            put_floats(min, f->mins(b));
    } else if (f->floats16) {
        const float32x4x4_t v = f->floats16(b);
        UNROLL for (int k = 0; k < 4; k++) vst1q_f32(scale + 4 * k, v.val[k]);
    } else {
        const struct arm_scales16 s = f->scales16(b);
        put_floats(scale, times(floats_of_i8(vget_low_s8(s.scale)), s.d));
        put_floats(scale + 8, times(floats_of_i8(vget_high_s8(s.scale)), s.d));
        if (f->has_min) {
            put_floats(min, times(floats_of_u8(vget_low_u8(s.min)), s.dmin));
            put_floats(min + 8, times(floats_of_u8(vget_high_u8(s.min)), s.dmin));
        }
    }
}

ALWAYS void arm_unpack(const struct arm_format *f, int64_t n_cols, const void *row, uint8_t *codes,
                       size_t chunk_stride, float *scale, float *min)
{
    const int step_bytes = ARM_STEP / f->block_elems * f->block_bytes;
    const uint8_t *b = row;
    int64_t c = 0;
    for (; c + ARM_STEP <= n_cols; c += ARM_STEP, b += step_bytes) {
        UNROLL for (int i = 0; i < 16; i++)
            put_codes(f, codes + (size_t)(i / 4) * chunk_stride + i % 4 * 16, b, i);
        codes += 4 * chunk_stride;
        put_scales(f, b, scale + c / f->sub, min + c / f->sub);
    }
    if (f->block_elems == ARM_STEP || c == n_cols)
        return;
    /* Fewer blocks than a step has. */
    const size_t n = (size_t)(n_cols - c), n_scales = n / (size_t)f->sub;
    uint8_t blocks[8 * 40] = { 0 };
    float v[16], m[16];
    memcpy(blocks, b, n / (size_t)f->block_elems * (size_t)f->block_bytes);
    UNROLL for (int i = 0; i < 16; i++) if ((size_t)i < n / 16)
        put_codes(f, codes + (size_t)(i / 4) * chunk_stride + i % 4 * 16, blocks, i);
    put_scales(f, blocks, v, m);
    memcpy(scale + c / f->sub, v, n_scales * sizeof *v);
    if (f->has_min)
        memcpy(min + c / f->sub, m, n_scales * sizeof *v);
}

/* A float format's panel: chunks of 16 floats. */
ALWAYS void arm_unpack_floats(float32x4x2_t (*eight)(const uint8_t *),
                              float (*one)(const uint8_t *), const int elem_bytes, int64_t n_cols,
                              const void *row, uint8_t *codes, size_t chunk_stride)
{
    const uint8_t *p = row;
    for (int64_t c = 0; c < n_cols;) {
        float *to = (float *)(void *)(codes + (size_t)(c / 16) * chunk_stride) + c % 16;
        if (c + 8 <= n_cols) {
            put_floats(to, eight(p));
            c += 8;
            p += 8 * elem_bytes;
        } else {
            *to = one(p);
            c++;
            p += elem_bytes;
        }
    }
}

/* Defines the static gemv of a kernel file. */
#define ARM_GEMV(id, tier)                                                                        \
    static void id##_gemv_##tier(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes, \
                                 const struct cn_act *x, float *y)                                \
    {                                                                                             \
        arm_gemv(&id##_arm, &tier##_dots, n_rows, n_cols, w, row_bytes, x, y);                    \
    }

/* Defines the static unpack of a kernel file. */
#define ARM_UNPACK(id, tier)                                                        \
    static void id##_unpack_##tier(int64_t n_cols, const void *row, uint8_t *codes, \
                                   size_t chunk_stride, float *scale, float *min)   \
    {                                                                               \
        arm_unpack(&id##_arm, n_cols, row, codes, chunk_stride, scale, min);        \
    }

#endif

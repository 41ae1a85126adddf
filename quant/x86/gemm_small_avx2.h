/* SPDX-License-Identifier: MIT
 *
 * A few tokens at once on vectors of 256 bits: what tiers share that multiply bytes differently.
 */
#ifndef CN_GEMM_SMALL_AVX2_H
#define CN_GEMM_SMALL_AVX2_H

#include "quant/x86/simd_avx2.h"

#include "quant/gemm.h"
#include "quant/vec.h"

/* Loaded once and kept: gcc would rather load again for each use. */
ALWAYS __m256i load_once(const void *p)
{
    __m256i v = load256(p);
    __asm__("" : "+x"(v));
    return v;
}

/* A unit of each row and token: sub / 4 vectors of bytes, or twice as many of words. */
struct small_unit {
    const uint8_t *w[CN_SMALL_ROWS], *q[2], *sums[2]; /* sums: of their offsets */
};

/* What is constant at each of the places that a product is inlined to. */
struct small_shape {
    int run; /* vectors whose products are added before they are widened; all of a unit where
              * sums are of 32 bits at once */
    int sub;
    enum cn_small_form form;
    int code_bytes;
};

/* A run's sums of 16 bits to those of 32. */
ALWAYS void add_run(const struct small_shape k, const bool first, const uint8_t *offset_sums,
                    __m256i part, __m256i *acc)
{
    if (k.form == CN_SMALL_SUMS)
        part = _mm256_sub_epi16(part, load256(offset_sums));
    part = _mm256_madd_epi16(part, _mm256_set1_epi16(1));
    *acc = first ? part : _mm256_add_epi32(*acc, part);
}

/* Integer sums acc[row][token] of a unit of nt tokens, lane = group. */
typedef void small_dot_fn(const struct small_shape k, const int nt, const struct small_unit *u,
                          __m256i acc[CN_SMALL_ROWS][2]);

/* Four dwords of eight groups: a[g] has those of group g in its low, of group g + 4 in its high
 * half; afterwards a[i] has dword i of each. */
ALWAYS void turn4(__m256i a[4])
{
    const __m256i ab_lo = _mm256_unpacklo_epi32(a[0], a[1]),
                  ab_hi = _mm256_unpackhi_epi32(a[0], a[1]),
                  cd_lo = _mm256_unpacklo_epi32(a[2], a[3]),
                  cd_hi = _mm256_unpackhi_epi32(a[2], a[3]);
    a[0] = _mm256_unpacklo_epi64(ab_lo, cd_lo);
    a[1] = _mm256_unpackhi_epi64(ab_lo, cd_lo);
    a[2] = _mm256_unpacklo_epi64(ab_hi, cd_hi);
    a[3] = _mm256_unpackhi_epi64(ab_hi, cd_hi);
}

/* Bytes of even columns, then those of odd ones, as words. */
ALWAYS void store_words(uint8_t *to, __m256i v)
{
    store256(to, _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8));
    store256(to + 32, _mm256_srai_epi16(v, 8));
}

/* For eight groups of 32 elements, of which lane g of `signs` has a bit each: bytes 4 i to 4 i + 3
 * of a group, i < 8, become -1 in its lane where their bits are set. */
ALWAYS __m256i lane_sign_mask(__m256i signs, const int i)
{
    const __m256i spread =
                      _mm256_add_epi8(_mm256_set1_epi8((char)(i / 2)),
                                      _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0,
                                                        0x04040404, 0x08080808, 0x0c0c0c0c)),
                  bit = _mm256_set1_epi32((int)(i % 2 ? 0x80402010u : 0x08040201u));
    return _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(signs, spread), bit), bit);
}

/* See struct cn_gemm_small. words: see store_words. */
ALWAYS void small_arrange(const int sub, const bool words, int offset, int64_t n_units,
                          const int8_t *from, uint8_t *to)
{
    const __m256i by = _mm256_set1_epi8((char)offset);
    for (int64_t u = 0; u < n_units; u++, from += 8 * sub)
        for (int h = 0; h < sub / 16; h++) {
            __m256i a[4];
            UNROLL for (int g = 0; g < 4; g++) a[g] = _mm256_sub_epi8(
                load_pair(from + g * sub + 16 * h, from + (g + 4) * sub + 16 * h), by);
            turn4(a);
            UNROLL for (int i = 0; i < 4; i++)
            {
                if (words)
                    store_words(to, a[i]);
                else
                    store256(to, a[i]);
                to += words ? 64 : 32;
            }
        }
}

/* Sums of eight lanes of each of four vectors. */
ALWAYS __m128 sums_of_four(const __m256 a, const __m256 b, const __m256 c, const __m256 d)
{
    const __m256 v = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}

/* All rows times nt (1 or 2) tokens from t on. */
ALWAYS void small_tile(small_dot_fn *dot, const struct small_shape k, const int nt,
                       const struct cn_small_block *b, int t)
{
    const size_t unit_bytes = (size_t)(8 * k.sub * k.code_bytes), row_bytes = b->bytes;
    const int64_t groups = b->n_units * 8;
    const float *d = b->d + t * groups, *sum = b->sum + t * groups;
    const float *scale = b->scale, *min = b->min;
    __m256 total[CN_SMALL_ROWS][2];
    struct small_unit at;
    UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
    {
        at.w[r] = b->codes + (size_t)r * row_bytes;
        UNROLL for (int v = 0; v < nt; v++) total[r][v] = _mm256_setzero_ps();
    }
    UNROLL for (int v = 0; v < nt; v++)
    {
        at.q[v] = b->acts + (size_t)(t + v) * row_bytes;
        at.sums[v] = b->offset_sums + (size_t)(t + v) * row_bytes / 2;
    }
    for (int64_t u = 0; u < b->n_units; u++, d += 8, sum += 8, scale += 8, min += 8) {
        __m256i acc[CN_SMALL_ROWS][2];
        dot(k, nt, &at, acc);
        UNROLL for (int r = 0; r < CN_SMALL_ROWS; r++)
        {
            UNROLL for (int v = 0; v < nt; v++)
            {
                const __m256 by = _mm256_mul_ps(_mm256_loadu_ps(scale + r * groups),
                                                _mm256_loadu_ps(d + v * groups));
                total[r][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[r][v]), by, total[r][v]);
                if (k.form == CN_SMALL_MIN)
                    total[r][v] = _mm256_fnmadd_ps(_mm256_loadu_ps(min + r * groups),
                                                   _mm256_loadu_ps(sum + v * groups), total[r][v]);
            }
            at.w[r] += unit_bytes;
        }
        UNROLL for (int v = 0; v < nt; v++)
        {
            at.q[v] += unit_bytes;
            if (k.form == CN_SMALL_SUMS)
                at.sums[v] += unit_bytes / (size_t)k.run;
        }
    }
    UNROLL for (int v = 0; v < nt; v++)
    {
        float *y = b->y + (t + v) * b->y_stride, four[CN_SMALL_ROWS];
        const __m128 sums = sums_of_four(total[0][v], total[1][v], total[2][v], total[3][v]);
        if (b->n_rows == CN_SMALL_ROWS) {
            _mm_storeu_ps(y, b->add ? _mm_add_ps(_mm_loadu_ps(y), sums) : sums);
        } else {
            _mm_storeu_ps(four, sums);
            for (int r = 0; r < b->n_rows; r++)
                y[r] = b->add ? y[r] + four[r] : four[r];
        }
    }
}

/* ---- what formats have of their own (struct cn_small_format) ---- */

/* A unit of a row, unpacked: sub / 4 vectors of codes in the order of small_arrange(), scales and
 * minima of its groups. */
struct small_codes {
    __m256i w[8];
    __m256 scale, min;
};

struct small_layout {
    int block_bytes, block_units;
    bool has_min;
    void (*unit)(const uint8_t *b, const int u, struct small_codes *to); /* unit u of a block */
};

ALWAYS void small_unpack(const struct small_layout *f, const int sub, int64_t n_cols,
                         const uint8_t *b, uint8_t *codes, float *scale, float *min)
{
    for (int64_t c = 0; c < n_cols; c += f->block_units * 8 * sub, b += f->block_bytes)
        UNROLL for (int u = 0; u < f->block_units; u++)
        {
            struct small_codes v;
            f->unit(b, u, &v);
            UNROLL for (int i = 0; i < sub / 4; i++, codes += 32) store256(codes, v.w[i]);
            _mm256_storeu_ps(scale, v.scale);
            scale += 8;
            if (f->has_min) {
                _mm256_storeu_ps(min, v.min);
                min += 8;
            }
        }
}

#ifndef CN_X86_ADD_DOT
/* Integer sums of a unit and a token, lane = group. */
ALWAYS __m256i small_dot(const struct small_shape k, const __m256i *w, const uint8_t *x,
                         const uint8_t *sums)
{
    __m256i acc = _mm256_setzero_si256();
    UNROLL for (int i0 = 0; i0 < k.sub / 4; i0 += k.run)
    {
        __m256i part = _mm256_maddubs_epi16(w[i0], load256(x + 32 * i0));
        UNROLL for (int i = i0 + 1; i < i0 + k.run; i++) part =
            _mm256_add_epi16(part, _mm256_maddubs_epi16(w[i], load256(x + 32 * i)));
        add_run(k, i0 == 0, sums + 32 * (i0 / k.run), part, &acc);
    }
    return acc;
}
#else
/* Where the offset is to be taken out, sums start with what it makes, negative. */
ALWAYS __m256i small_start(const struct small_shape k, const uint8_t *sums)
{
    return k.form == CN_SMALL_SUMS ? load256(sums) : _mm256_setzero_si256();
}

ALWAYS __m256i small_dot(const struct small_shape k, const __m256i *w, const uint8_t *x,
                         const uint8_t *sums)
{
    __m256i acc = small_start(k, sums);
    UNROLL for (int i = 0; i < k.sub / 4; i++) acc = add_dot_u8(acc, w[i], load256(x + 32 * i));
    return acc;
}
#endif

/* Rows one by one, as gemv reads them, so that memory has something to do all the time; codes stay
 * in registers for all nt tokens. */
ALWAYS void small_rows(const struct small_layout *f, const struct small_shape k, const int nt,
                       const struct cn_small_block *b, int64_t n_rows, const uint8_t *w,
                       size_t row_bytes)
{
    const size_t unit_bytes = (size_t)(8 * k.sub);
    const int64_t groups = b->n_units * 8;
    for (int64_t r = 0; r < n_rows; r++, w += row_bytes) {
        const uint8_t *block = w, *acts = b->acts, *sums = b->offset_sums;
        const float *d = b->d, *sum = b->sum;
        __m256 total[CN_SMALL_FEW];
        UNROLL for (int t = 0; t < nt; t++) total[t] = _mm256_setzero_ps();
        for (int64_t u0 = 0; u0 < b->n_units; u0 += f->block_units, block += f->block_bytes) {
            prefetch(block, f->block_bytes);
            UNROLL for (int u = 0; u < f->block_units; u++)
            {
                struct small_codes c;
                f->unit(block, u, &c);
                UNROLL for (int t = 0; t < nt; t++)
                {
                    const __m256i dot = small_dot(k, c.w, acts + (size_t)t * b->bytes,
                                                  sums + (size_t)t * b->bytes / 2);
                    const __m256 by = _mm256_mul_ps(c.scale, _mm256_loadu_ps(d + t * groups));
                    total[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), by, total[t]);
                    if (k.form == CN_SMALL_MIN)
                        total[t] =
                            _mm256_fnmadd_ps(c.min, _mm256_loadu_ps(sum + t * groups), total[t]);
                }
                acts += unit_bytes;
                sums += unit_bytes / (size_t)k.run;
                d += 8;
                sum += 8;
            }
        }
        UNROLL for (int t = 0; t < nt; t++)
        {
            float *y = b->y + t * b->y_stride + r;
            *y = b->add ? *y + sum_ps(total[t]) : sum_ps(total[t]);
        }
    }
}

/* Pairs of tokens would leave one over: two to four at once, more in parts. */
ALWAYS void small_rows_of(const struct small_layout *f, const struct small_shape k,
                          const struct cn_small_block *b, int64_t n_rows, const uint8_t *w,
                          size_t row_bytes)
{
    switch (b->n_tokens) {
    case 1:
        small_rows(f, k, 1, b, n_rows, w, row_bytes);
        break;
    case 2:
        small_rows(f, k, 2, b, n_rows, w, row_bytes);
        break;
    case 3:
        small_rows(f, k, 3, b, n_rows, w, row_bytes);
        break;
    case 4:
        small_rows(f, k, 4, b, n_rows, w, row_bytes);
        break;
    case 5:
        small_rows(f, k, 5, b, n_rows, w, row_bytes);
        break;
    case 6:
        small_rows(f, k, 6, b, n_rows, w, row_bytes);
        break;
    case 7:
        small_rows(f, k, 7, b, n_rows, w, row_bytes);
        break;
    default:
        small_rows(f, k, 8, b, n_rows, w, row_bytes);
    }
}

/* Defines a format's cn_small_format <id>_small_<tier> by unit(), see struct small_layout: `units`
 * of it in n_bytes. */
#define SMALL_FORMAT(id, tier, n_bytes, units, has_min, run, sub, form)                         \
    static const struct small_layout id##_layout_##tier = { n_bytes, units, has_min, unit };    \
    static void id##_small_unpack_##tier(int64_t n_cols, const void *blocks, uint8_t *codes_to, \
                                         float *scale, float *min)                              \
    {                                                                                           \
        small_unpack(&id##_layout_##tier, sub, n_cols, blocks, codes_to, scale, min);           \
    }                                                                                           \
    static void id##_small_rows_##tier(const struct cn_small_block *b, int64_t n_rows,          \
                                       const void *w, size_t row_bytes)                         \
    {                                                                                           \
        const struct small_shape k = { run, sub, form, 1 };                                     \
        small_rows_of(&id##_layout_##tier, k, b, n_rows, w, row_bytes);                         \
    }                                                                                           \
    static const struct cn_small_format id##_small_##tier = { id##_small_unpack_##tier,         \
                                                              id##_small_rows_##tier };

ALWAYS void small_multiply(small_dot_fn *dot, const struct small_shape k,
                           const struct cn_small_block *b)
{
    int t = 0;
    for (; t + 2 <= b->n_tokens; t += 2)
        small_tile(dot, k, 2, b, t);
    if (t < b->n_tokens)
        small_tile(dot, k, 1, b, t);
}

#endif

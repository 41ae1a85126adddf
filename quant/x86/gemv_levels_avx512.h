/* SPDX-License-Identifier: MIT
 *
 * gemv of the formats whose codes are looked up among levels that a group may have shifted (IQ2_K
 * to IQ6_K and their kin).
 *
 * A vector has a run of 8 columns of each of eight groups of 32, so two lanes of the sums are a
 * group; with scales for 16 columns two such vectors of sums are added to one, a lane a group.
 * vpermb looks up all levels at once, plus 128 and so unsigned; tables repeat, so that bits above a
 * code do not matter. The offset is where the sums start, and a mask chooses the start of shifted
 * groups.
 */
#ifndef CN_GEMV_LEVELS_AVX512_H
#define CN_GEMV_LEVELS_AVX512_H

#include "quant/x86/gemv_levels_avx2.h"
#include "quant/x86/gemv_strips_avx512.h"

enum { LEVEL_OFFSET = 128 };

/* Runs of columns, by vector. */
static const uint8_t level_order[256] = { RUN(0), RUN(1), RUN(2), RUN(3) };

/* Lane of a group of 16, where two vectors of sums are added to one. */
ALWAYS __m512i lanes_of_16(void)
{
    return _mm512_setr_epi32(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
}

/* The lanes of a step (see gemv_by_strips) of groups of `sub` columns. */
ALWAYS void arrange_levels512(const uint8_t *order, const int sub, const int shift,
                              const struct cn_act *x, int64_t c, struct lanes *to)
{
    __m512 d = twice_each(x->d + c / 32);
    __m512i sums = sums16(x->sum16 + c / 16, 1);
    permute256(order, x->q + c, to->q);
    if (sub == 16) {
        d = _mm512_permutexvar_ps(lanes_of_16(), d);
        sums = _mm512_permutexvar_epi32(lanes_of_16(), sums);
    }
    _mm512_store_ps(to->d[0], d);
    store512(to->start[0], _mm512_mullo_epi32(sums, _mm512_set1_epi32(-LEVEL_OFFSET)));
    store512(to->start[1], _mm512_mullo_epi32(sums, _mm512_set1_epi32(shift - LEVEL_OFFSET)));
}

/* Defines arrange() of a kernel file. */
#define LEVEL_ARRANGE(id, order, sub, shift)                                             \
    static void id##_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to) \
    {                                                                                    \
        arrange_levels512(order, sub, shift, x, c, to);                                  \
    }

/* Adds the products of a block to the sums: vector i of the codes, looked up in table i. */
ALWAYS __m512i dot_codes(__m512i codes, __m512i table, const int i, const struct lanes *x,
                         __m512i acc)
{
    return _mm512_dpbusd_epi32(acc, _mm512_permutexvar_epi8(codes, table), load512(x->q + 64 * i));
}

/* Sums of groups of 32, two lanes each; bit g of `shifted`: group g is. scales: eight dwords. */
ALWAYS __m512 add_groups32(const __m512i *codes, const __m512i *table, __m256i scales,
                           uint32_t shifted, const struct lanes *x, __m512 total)
{
    const __mmask16 twice = (__mmask16)(_pdep_u32(shifted, 0x5555) * 3);
    const __m512i each = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    __m512i acc = _mm512_mask_mov_epi32(load512(x->start[0]), twice, load512(x->start[1]));
    UNROLL for (int i = 0; i < 4; i++) acc = dot_codes(codes[i], table[i % 2], i, x, acc);
    const __m512 scale =
        _mm512_cvtepi32_ps(_mm512_permutexvar_epi32(each, _mm512_castsi256_si512(scales)));
    return add_sums(acc, scale, x->d[0], total);
}

/* Sums of groups of 16; bit g of `shifted`: group g is. scales: sixteen words; d: the block's. */
ALWAYS __m512 add_groups16(const __m512i *codes, const __m512i *table, __m256i scales,
                           uint32_t shifted, const void *d, const struct lanes *x, __m512 total)
{
    const __mmask16 swapped =
        (__mmask16)((shifted & 0x9999) | (shifted & 0x2222) << 1 | (shifted & 0x4444) >> 1);
    __m512i acc[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    UNROLL for (int i = 0; i < 4; i++) acc[i / 2] =
        dot_codes(codes[i], table[i % 2], i, x, acc[i / 2]);
    const __m512 first = _mm512_castsi512_ps(acc[0]), second = _mm512_castsi512_ps(acc[1]);
    __m512i sums = _mm512_mask_mov_epi32(load512(x->start[0]), swapped, load512(x->start[1]));
    sums = _mm512_add_epi32(sums, _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0x88)));
    sums = _mm512_add_epi32(sums, _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0xdd)));
    const __m512 scale =
        _mm512_cvtepi32_ps(_mm512_permutexvar_epi32(lanes_of_16(), _mm512_cvtepi16_epi32(scales)));
    return add_sums(sums, _mm512_mul_ps(scale, halves_at(d)), x->d[0], total);
}

/* ---- tables: levels plus 128, over and over ---- */

ALWAYS void tables_of(__m512i levels, __m512i *table)
{
    table[0] = table[1] = _mm512_xor_si512(levels, _mm512_set1_epi8((char)LEVEL_OFFSET));
}

/* ---- codes, by vectors; what is above them is any ---- */

/* Of 16 bytes for 32 columns, the first half in low nibbles: 128 bytes in two vectors. */
ALWAYS void codes_of_4_bits(__m512i v, __m512i w, __m512i *codes)
{
    codes[0] = _mm512_permutex2var_epi64(v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), w);
    codes[1] = _mm512_permutex2var_epi64(v, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), w);
    codes[2] = _mm512_srli_epi16(codes[0], 4);
    codes[3] = _mm512_srli_epi16(codes[1], 4);
}

/* Low nibbles of longer codes: 32 bytes for two groups. */
ALWAYS __m512i low_nibbles512(const uint8_t *q, const int i)
{
    const __m512i at =
        _mm512_add_epi64(_mm512_setr_epi64(0, 0, 4, 4, 8, 8, 12, 12), _mm512_set1_epi64(i));
    return _mm512_srlv_epi64(_mm512_permutex2var_epi64(load512(q), at, load512(q + 64)),
                             _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4));
}

/* Two bits each: 32 bytes for four groups. */
ALWAYS __m512i pairs512(const uint8_t *q, const int i)
{
    const __m512i at =
        _mm512_add_epi64(_mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4), _mm512_set1_epi64(i));
    return _mm512_srlv_epi64(_mm512_permutexvar_epi64(at, load512(q)),
                             _mm512_setr_epi64(0, 2, 4, 6, 0, 2, 4, 6));
}

/* Bit g of eight bytes for group g, to bit `to`; the other bits are 0. */
ALWAYS __m512i single_bits512(const uint8_t *hi, const int to)
{
    const __m512i matrix = _mm512_setr_epi64(
        (long long)AFFINE_BIT(0, to), (long long)AFFINE_BIT(1, to), (long long)AFFINE_BIT(2, to),
        (long long)AFFINE_BIT(3, to), (long long)AFFINE_BIT(4, to), (long long)AFFINE_BIT(5, to),
        (long long)AFFINE_BIT(6, to), (long long)AFFINE_BIT(7, to));
    return affine(_mm512_set1_epi64((long long)load64(hi)), matrix);
}

ALWAYS void codes_of_5_bits(const uint8_t *q, const uint8_t *hi, __m512i *codes)
{
    UNROLL for (int i = 0; i < 4; i++) codes[i] =
        and_or(low_nibbles512(q, i), _mm512_set1_epi8(15), single_bits512(hi + 8 * i, 4));
}

ALWAYS void codes_of_3_bits(const uint8_t *q, const uint8_t *hi, __m512i *codes)
{
    UNROLL for (int i = 0; i < 4; i++) codes[i] =
        and_or(pairs512(q, i), _mm512_set1_epi8(3), single_bits512(hi + 8 * i, 2));
}

ALWAYS void codes_of_2_bits(const uint8_t *q, __m512i *codes)
{
    UNROLL for (int i = 0; i < 4; i++) codes[i] = pairs512(q, i);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the avx512 kernels share.
 */
#ifndef CN_SIMD_AVX512_H
#define CN_SIMD_AVX512_H

#if !defined(__AVX512VNNI__) || !defined(__AVX512VBMI__) || !defined(__GFNI__)
#error "simd_avx512.h needs the flags of the avx512 tier"
#endif

#include "quant/x86/simd_avx2.h"

ALWAYS __m512i load512(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* Four bytes to every lane. */
ALWAYS __m512i broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

/* ---- gemv: lanes of the sums are groups of columns ------------------------------------------
 *
 * vpdpbusd adds four neighbouring products to a lane of 32 bits. The kernels choose which columns
 * meet in a lane: those of one group, so that 256 columns end in one vector of 16 group sums, which
 * takes one conversion to float and one FMA with 16 scales. For that the activations are put in the
 * kernel's own order, once for all the rows of a call. */

/* The activations of 256 columns in a kernel's order, and what its lanes are to be multiplied with
 * (the scale of their activations), to start at (the part of an offset) or to add (of a minimum).
 */
struct lanes {
    _Alignas(64) int8_t q[256];
    float d[2][16];
    int32_t start[2][16];
    float sum[2][16];
};

ALWAYS void store512(void *p, __m512i v)
{
    _mm512_storeu_si512(p, v);
}

/* Qwords, dwords of an order or an index of bytes. */
/* clang-format off */
#define DWORD(i) 4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3
#define QWORD(i) DWORD(2 * (i)), DWORD(2 * (i) + 1)
#define OWORD(i) QWORD(2 * (i)), QWORD(2 * (i) + 1)
/* A run of 8 of each of eight groups of 32. */
#define RUN(i) \
    QWORD(i),      QWORD((i) + 4),  QWORD((i) + 8),  QWORD((i) + 12), \
    QWORD((i) + 16), QWORD((i) + 20), QWORD((i) + 24), QWORD((i) + 28)
/* Bytes a, a + s, ... */
#define EVERY4(s, a) (a), (a) + (s), (a) + 2 * (s), (a) + 3 * (s)
#define EVERY16(s, a) \
    EVERY4(s, a), EVERY4(s, (a) + 4 * (s)), EVERY4(s, (a) + 8 * (s)), EVERY4(s, (a) + 12 * (s))
/* clang-format on */

/* to[i] = q[order[i]] */
ALWAYS void permute256(const uint8_t *order, const int8_t *q, int8_t *to)
{
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m512i index = load512(order + 64 * i);
        const __m512i lo = _mm512_permutex2var_epi8(load512(q), index, load512(q + 64)),
                      hi = _mm512_permutex2var_epi8(load512(q + 128), index, load512(q + 192));
        store512(to + 64 * i, _mm512_mask_mov_epi8(lo, _mm512_movepi8_mask(index), hi));
    }
}

/* The first eight lanes, each to two neighbouring ones. */
ALWAYS __m512 lanes_twice(__m512 v)
{
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7),
                                 v);
}

/* Eight floats, likewise. */
ALWAYS __m512 twice_each(const float *p)
{
    return lanes_twice(_mm512_castps256_ps512(_mm256_loadu_ps(p)));
}

/* Sixteen sums of 16 columns, times a factor. */
ALWAYS __m512i sums16(const int16_t *p, int factor)
{
    return _mm512_mullo_epi32(_mm512_cvtepi16_epi32(load256(p)), _mm512_set1_epi32(factor));
}

/* The f16 at p in all lanes. */
ALWAYS __m512 halves_at(const void *p)
{
    return _mm512_cvtph_ps(_mm256_set1_epi16((short)load16(p)));
}

/* The scales of Q4_K and Q5_K (quant/ref/k_scales.h) from the first 16 bytes of a block: scales in
 * the low, minima in the high eight bytes. */
ALWAYS __m128i k_scales_of(__m128i block)
{
    const __m128i v = _mm_shuffle_epi8(
        block, _mm_setr_epi8(4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m128i lo = _mm_multishift_epi64_epi8(
        _mm_setr_epi8(0, 8, 16, 24, 32, 40, 48, 56, 0, 8, 16, 24, 36, 44, 52, 60), v);
    const __m128i hi = _mm_multishift_epi64_epi8(
        _mm_setr_epi8(0, 8, 16, 24, 2, 10, 18, 26, 0, 8, 16, 24, 2, 10, 18, 26), v);
    return _mm_and_si128(_mm_ternarylogic_epi32(_mm_set1_epi8(15), lo, hi, 0xca),
                         _mm_set1_epi8(63));
}

/* d and dmin, the first four bytes of a block, each in eight lanes. */
ALWAYS __m512 d_and_dmin(__m128i block)
{
    return _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
                                 _mm512_castps128_ps512(_mm_cvtph_ps(block)));
}

/* Integer sums, the scales of their weights, and of their activations, to `total`. Whatever does
 * not depend on the activations comes first: it is done once for a few tokens
 * (gemv_strips_avx512.h). */
ALWAYS __m512 add_sums(__m512i sums, __m512 scale, const float *d, __m512 total)
{
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_mul_ps(scale, _mm512_load_ps(d)),
                           total);
}

/* Group sums of Q4_K and Q5_K (two lanes a group), their scales and minima to `total`. The minima
 * of eight groups are in the upper lanes, as x->sum has it. */
ALWAYS __m512 add_k_groups(__m128i block, __m512i acc, const struct lanes *x, __m512 total)
{
    const __m512 s = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(k_scales_of(block))),
                                   d_and_dmin(block));
    total = _mm512_fmadd_ps(_mm512_maskz_mov_ps(0xff00, s), _mm512_load_ps(x->sum[0]), total);
    return add_sums(acc, lanes_twice(s), x->d[0], total);
}

/* What add_k_groups() needs of 256 columns; d: the scales of eight groups. */
ALWAYS void arrange_k_groups(const struct cn_act *x, int64_t c, __m256 d, struct lanes *to)
{
    _mm512_store_ps(to->d[0], lanes_twice(_mm512_castps256_ps512(d)));
    _mm256_store_ps(to->sum[0], _mm256_setzero_ps());
    _mm256_store_ps(to->sum[0] + 8,
                    _mm256_sub_ps(_mm256_setzero_ps(), _mm256_loadu_ps(x->sum32 + c / 32)));
}

/* Row of a vgf2p8affineqb matrix that brings bit `from` of a byte to bit `to`. */
#define AFFINE_BIT(from, to) ((1ull << (from)) << (8 * (7 - (to))))

ALWAYS __m512i affine(__m512i v, __m512i matrix)
{
    return _mm512_gf2p8affine_epi64_epi8(v, matrix, 0);
}

/* mask ? a : b, bit by bit. */
ALWAYS __m512i select_bits(__m512i mask, __m512i a, __m512i b)
{
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* (v & mask) | more */
ALWAYS __m512i and_or(__m512i v, __m512i mask, __m512i more)
{
    return _mm512_ternarylogic_epi32(v, mask, more, 0xea);
}

/* v, negative where the mask says so. */
ALWAYS __m512i negate_where(__mmask64 mask, __m512i v)
{
    return _mm512_mask_sub_epi8(v, mask, _mm512_setzero_si512(), v);
}

/* Lanes of two steps of 128 columns, four lanes a group of 32: the first 16 columns of four groups
 * in one vector, the other 16 in the next. */
ALWAYS void arrange_fours(const struct cn_act *x, int64_t c, int offset, struct lanes *to)
{
    /* clang-format off */
    static const uint8_t order[256] = {
        OWORD(0), OWORD(2),  OWORD(4),  OWORD(6),  OWORD(1), OWORD(3),  OWORD(5),  OWORD(7),
        OWORD(8), OWORD(10), OWORD(12), OWORD(14), OWORD(9), OWORD(11), OWORD(13), OWORD(15),
    };
    /* clang-format on */
    permute256(order, x->q + c, to->q);
    const __m512i group = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i start = sums16(x->sum16 + c / 16, -offset);
    UNROLL for (int i = 0; i < 2; i++)
    {
        const __m512i from = _mm512_add_epi32(group, _mm512_set1_epi32(4 * i));
        const __m512 d = _mm512_castps256_ps512(_mm256_loadu_ps(x->d + c / 32)),
                     sum = _mm512_castps256_ps512(_mm256_loadu_ps(x->sum32 + c / 32));
        _mm512_store_ps(to->d[i], _mm512_permutexvar_ps(from, d));
        _mm512_store_ps(to->sum[i], _mm512_maskz_permutexvar_ps(0x1111, from, sum));
        const __m256i half =
            i ? _mm512_extracti64x4_epi64(start, 1) : _mm512_castsi512_si256(start);
        store512(to->start[i], _mm512_maskz_expand_epi32(0x3333, _mm512_castsi256_si512(half)));
    }
}

/* Lanes of a step of 256 columns whose vectors each have a run of 8 columns of all groups. */
ALWAYS void arrange_runs(const uint8_t *order, const struct cn_act *x, int64_t c, int offset,
                         struct lanes *to)
{
    permute256(order, x->q + c, to->q);
    _mm512_store_ps(to->d[0], twice_each(x->d + c / 32));
    store512(to->start[0], sums16(x->sum16 + c / 16, -offset));
}

/* Sixteen bytes four times, as the low 64 entries of vpermb see a table by nibbles: whatever is
 * above the nibble. */
ALWAYS __m512i nibble_table(const void *p)
{
    return _mm512_broadcast_i32x4(load128(p));
}

/* Words from the 32 of one or (from 32 on) of another vector. */
ALWAYS __m512i words_of(__m512i v, const int16_t *index, __m512i w)
{
    return _mm512_permutex2var_epi16(v, load512(index), w);
}

/* The first 16 words as floats. */
ALWAYS __m512 halves_of(__m512i v)
{
    return _mm512_cvtph_ps(_mm512_castsi512_si256(v));
}

/* The products of step i of arrange_fours: `first` and `last` are unsigned codes of the first and
 * the last 16 columns of four groups, `scale` the groups' scales, four times each. */
ALWAYS __m512 add_fours(__m512i first, __m512i last, __m512 scale, const struct lanes *x,
                        const int i, __m512 total)
{
    __m512i acc = _mm512_dpbusd_epi32(load512(x->start[i]), first, load512(x->q + 128 * i));
    acc = _mm512_dpbusd_epi32(acc, last, load512(x->q + 128 * i + 64));
    return add_sums(acc, scale, x->d[i], total);
}

/* load512 to a register, where gcc would load again for each use. Two loads of 64 bytes with lines
 * in common wait for each other while the lines are on their way (docs/SPEED.md). */
ALWAYS __m512i load_once(const void *p)
{
    __m512i v = load512(p);
    __asm__("" : "+v"(v));
    return v;
}

/* Four blocks of 18 bytes, | d f16 | 16 bytes |: their bytes, 128 bits a block; `scales`: of each,
 * four times. The last eight bytes are loaded alone (see load_once). */
ALWAYS __m512i four_of_18(const uint8_t *b, __m512 *scales)
{
    /* clang-format off */
    static const int16_t words[32] = {
        EVERY4(1, 1),  EVERY4(1, 5),  EVERY4(1, 10), EVERY4(1, 14),
        EVERY4(1, 19), EVERY4(1, 23), EVERY4(1, 28), EVERY4(1, 32),
    };
    static const int16_t scale_words[32] = { 0, 0, 0, 0, 9, 9, 9, 9, 18, 18, 18, 18, 27, 27, 27, 27 };
    /* clang-format on */
    const __m512i v = load_once(b);
    *scales = halves_of(words_of(v, scale_words, v));
    return words_of(v, words, _mm512_castsi128_si512(_mm_cvtsi64_si128((int64_t)load64(b + 64))));
}

/* ---- codes of two bits, four to a byte --------------------------------------------------------
 *
 * Run f of 32 columns of each half of 128 has field f of that half's 32 bytes. 128 bits hold four
 * dwords of four groups of 16; dword (f + s) % 4 in place f of vector s, seen through a mask of
 * field f there, and every lane's sum is a group: lane 4 k + f has group 8 (k / 2) + 2 f + k % 2.
 */

/* Dwords of columns: 128 bits k of vector s. */
/* clang-format off */
#define FIELDS(s, k) \
    DWORD(32 * ((k) / 2) + 4 * ((k) % 2) + 0 + ((s) + 0) % 4), \
    DWORD(32 * ((k) / 2) + 4 * ((k) % 2) + 8 + ((s) + 1) % 4), \
    DWORD(32 * ((k) / 2) + 4 * ((k) % 2) + 16 + ((s) + 2) % 4), \
    DWORD(32 * ((k) / 2) + 4 * ((k) % 2) + 24 + ((s) + 3) % 4)
/* clang-format on */

/* factor: what the codes of field f are multiplied with where they lie. */
ALWAYS void arrange_fields(const struct cn_act *x, int64_t c, int offset, __m128i factor,
                           struct lanes *to)
{
    /* clang-format off */
    static const uint8_t order[256] = {
        FIELDS(0, 0), FIELDS(0, 1), FIELDS(0, 2), FIELDS(0, 3),
        FIELDS(1, 0), FIELDS(1, 1), FIELDS(1, 2), FIELDS(1, 3),
        FIELDS(2, 0), FIELDS(2, 1), FIELDS(2, 2), FIELDS(2, 3),
        FIELDS(3, 0), FIELDS(3, 1), FIELDS(3, 2), FIELDS(3, 3),
    };
    /* clang-format on */
    const __m512i group = _mm512_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
    const __m512i factors = _mm512_broadcast_i32x4(factor);
    const __m512i sums = _mm512_permutexvar_epi32(group, sums16(x->sum16 + c / 16, 1));
    const __m512 d = _mm512_permutexvar_ps(group, twice_each(x->d + c / 32));
    permute256(order, x->q + c, to->q);
    _mm512_store_ps(to->d[0], _mm512_div_ps(d, _mm512_cvtepi32_ps(factors)));
    store512(to->start[0],
             _mm512_mullo_epi32(_mm512_mullo_epi32(sums, factors), _mm512_set1_epi32(-offset)));
    _mm512_store_ps(to->sum[0], _mm512_mul_ps(d, _mm512_cvtepi32_ps(sums)));
}

/* 256 codes with fields 0 and 1 in `lo`, 2 and 3 in `hi`, which may be the same. mask: of field f
 * in dword f of each 128 bits. */
ALWAYS __m512i dot_fields(__m512i lo, __m512i hi, __m128i mask, const int8_t *q, __m512i acc)
{
    const __m512i masks = _mm512_broadcast_i32x4(mask);
    const __m512 a = _mm512_castsi512_ps(lo), b = _mm512_castsi512_ps(hi);
    const __m512i v1 = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x39)),
                  v2 = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x4e)),
                  v3 = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x93));
    const __m512i v0 = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xe4));
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(v0, masks), load512(q));
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(v1, masks), load512(q + 64));
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(v2, masks), load512(q + 128));
    return _mm512_dpbusd_epi32(acc, _mm512_and_si512(v3, masks), load512(q + 192));
}

/* ---- formats with grids -------------------------------------------------------------------------
 *
 * A grid is looked up one plane at a time (quant/x86/<id>_planes.inc): a byte of a vector is a run,
 * its elements are in one byte or in several planes. So no run has to be put together: four bytes
 * of a plane, which meet in a lane, are elements j of four neighbouring runs, and activations are
 * arranged alike. Look-ups are vpermt2b of 128 entries, and blends by the higher index bits. */

/* Bit i of mask[n]: bit 7 + n of index i. */
ALWAYS __m512i lookup7(const uint8_t *t, __m512i index)
{
    return _mm512_permutex2var_epi8(load512(t), index, load512(t + 64));
}

ALWAYS __m512i lookup8(const uint8_t *t, __m512i index, const __mmask64 *mask)
{
    return _mm512_mask_mov_epi8(lookup7(t, index), mask[0], lookup7(t + 128, index));
}

ALWAYS __m512i lookup9(const uint8_t *t, __m512i index, const __mmask64 *mask)
{
    return _mm512_mask_mov_epi8(lookup8(t, index, mask), mask[1], lookup8(t + 256, index, mask));
}

ALWAYS __m512i lookup10(const uint8_t *t, __m512i index, const __mmask64 *mask)
{
    return _mm512_mask_mov_epi8(lookup9(t, index, mask), mask[2], lookup9(t + 512, index, mask));
}

ALWAYS __m512i lookup11(const uint8_t *t, __m512i index, const __mmask64 *mask)
{
    return _mm512_mask_mov_epi8(lookup10(t, index, mask), mask[3], lookup10(t + 1024, index, mask));
}

/* Bytes of 7 bits (the eighth is ignored) get the eighth that makes the number of set bits even
 * (cn_iq_signs). `first`: where the 7 bits begin, 0 or 1. */
ALWAYS __m512i even_signs512(__m512i codes, const int first)
{
    uint64_t matrix = 0x7full << first;
    UNROLL for (int i = 0; i < 7; i++) matrix |= AFFINE_BIT(i + first, i);
    return affine(codes, _mm512_set1_epi64((long long)matrix));
}

/* Order of activations for planes of one element of runs of 4. */
/* clang-format off */
#define PLANE4(j) \
    EVERY16(4, j), EVERY16(4, 64 + (j)), EVERY16(4, 128 + (j)), EVERY16(4, 192 + (j))
/* The same of runs of 8, of 256 columns. */
#define PLANE8(j) EVERY16(8, j), EVERY16(8, 128 + (j))
/* clang-format on */

/* The f16 at p in lanes 0 to 7, that at q in 8 to 15. */
ALWAYS __m512 two_halves(const void *p, const void *q)
{
    return _mm512_cvtph_ps(
        _mm256_setr_m128i(_mm_set1_epi16((short)load16(p)), _mm_set1_epi16((short)load16(q))));
}

/* 512 columns of runs of 8: element j of the 64 runs at 64 j of the two structs' q together. A lane
 * has four runs, a group of 32. */
ALWAYS void arrange_planes8(const struct cn_act *x, int64_t c, struct lanes *to)
{
    /* clang-format off */
    static const uint8_t order[256] = {
        PLANE8(0), PLANE8(1), PLANE8(2), PLANE8(3), PLANE8(4), PLANE8(5), PLANE8(6), PLANE8(7),
    };
    /* clang-format on */
    UNROLL for (int i = 0; i < 2; i++)
    {
        int8_t half[256];
        permute256(order, x->q + c + 256 * i, half);
        UNROLL for (int j = 0; j < 8; j++)
            store256(to[j / 4].q + 64 * (j % 4) + 32 * i, load256(half + 32 * j));
    }
    _mm512_store_ps(to->d[0], _mm512_loadu_ps(x->d + c / 32));
}

/* Element j of 64 runs of 8 from a byte of four 2-bit levels each: vpermb with a table that looks
 * at bits 2 (j % 4) and 2 (j % 4) + 1 of an index only. */
ALWAYS __m512i element_of(__m512i plane, const int j, const uint8_t l0, const uint8_t l1,
                          const uint8_t l2)
{
    const uint32_t four = 0x01010101u;
    const __m512i by1 = _mm512_set1_epi32((int)(l0 | (uint32_t)l1 << 8 | (uint32_t)l2 << 16));
    const __m512i by4 = _mm512_broadcast_i32x4(
        _mm_setr_epi32((int)(four * l0), (int)(four * l1), (int)(four * l2), 0));
    const __m512i by16 =
        _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi128_si512(_mm_set1_epi8((char)l0)),
                                              _mm_set1_epi8((char)l1), 1),
                           _mm_set1_epi8((char)l2), 2);
    return j % 4 == 0   ? _mm512_permutexvar_epi8(plane, by1)
           : j % 4 == 1 ? _mm512_permutexvar_epi8(plane, by4)
           : j % 4 == 2 ? _mm512_permutexvar_epi8(plane, by16)
                        : _mm512_permutexvar_epi8(_mm512_srli_epi16(plane, 6), by1);
}

/* 32 bytes each of two blocks. */
ALWAYS __m512i load_two256(const void *p, const void *q)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(load256(p)), load256(q), 1);
}

/* Levels of IQ2 formats. */
enum { IQ2_LOW = 8, IQ2_MIDDLE = 25, IQ2_HIGH = 43 };

/* Sums of products of 64 runs of 8 magnitudes (IQ2) with activations, two runs to 16 bits, and
 * their 16-bit scales: a lane is a group of 32 with two scales. plane: elements 0-3, 4-7. Three
 * products 43 * 127 * 2 are 32766. */
ALWAYS __m512i dot_iq2_halves(const __m512i *plane, __m512i signs, const struct lanes *x,
                              __m512i scale)
{
    __m512i acc = _mm512_setzero_si512(), word[8];
    UNROLL for (int j = 0; j < 8; j++)
    {
        const __mmask64 negative = _mm512_test_epi8_mask(signs, _mm512_set1_epi8((char)(1 << j)));
        word[j] = _mm512_maddubs_epi16(element_of(plane[j / 4], j, IQ2_LOW, IQ2_MIDDLE, IQ2_HIGH),
                                       negate_where(negative, load512(x[j / 4].q + 64 * (j % 4))));
        if (j % 3 > 0)
            word[j] = _mm512_add_epi16(word[j], word[j - 1]);
        if (j % 3 == 2 || j == 7)
            acc = _mm512_dpwssd_epi32(acc, word[j], scale);
    }
    return acc;
}

/* 2 n + 1 of sixteen 4-bit numbers of each of two times eight bytes, low nibble first, 16 bits. */
ALWAYS __m512i odd_scales512(__m128i p)
{
    const __m512i v = _mm512_cvtepu8_epi32(p);
    const __m512i n =
        select_bits(_mm512_set1_epi32(0xffff), _mm512_slli_epi32(v, 1), _mm512_slli_epi32(v, 13));
    return and_or(n, _mm512_set1_epi16(0x1e), _mm512_set1_epi16(1));
}

#endif

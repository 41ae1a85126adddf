/* SPDX-License-Identifier: MIT
 *
 * The trellis formats (quant/trellis.h) for AVX2: lanes are runs.
 *
 * The state of element k of a run is its index times a power of the factor: one vpmulld for eight
 * runs, with no chain from element to element. The four 6-bit numbers of a state are summed up and
 * multiplied in one: vpmaddubsw with the activation in all four bytes. So eight weights take
 * vpmulld, vpand and vpmaddubsw, and a half each of vpaddw, vpmaddwd and vpaddd.
 */
#ifndef CN_GEMV_TRELLIS_AVX2_H
#define CN_GEMV_TRELLIS_AVX2_H

#include "quant/ref/codebooks.h"
#include "quant/trellis.h"
#include "quant/x86/gemv_strips_avx2.h"

enum { HEADER = 4 };

/* The activations of 256 columns: each of the 32 products of eight runs in a row, each byte four
 * times; of the four sums that meet scales, what the mean of the elements makes of the activations,
 * and the scales of these. Eight lanes are four runs each of two groups. */
struct runs {
    _Alignas(64) int8_t q[32][32];
    int32_t start[4][8];
    float d[4][8];
};

/* The k-th power of the generator's factor. */
ALWAYS uint32_t power_of(const int k)
{
    uint32_t x = 1;
    UNROLL for (int i = 0; i < k; i++) x *= CN_TRELLIS_FACTOR;
    return x;
}

/* Bytes of two 32-bit states each: the four numbers in element k (1 the first) of eight runs. */
ALWAYS __m256i numbers(__m256i index, const int k)
{
    const __m256i state = _mm256_mullo_epi32(index, _mm256_set1_epi32((int)power_of(k)));
    return _mm256_and_si256(state, _mm256_set1_epi32(CN_TRELLIS_MASK));
}

/* Eight indices of 16 bits, made states before the first element: from the words 0 to 3 (h = 0) or
 * 4 to 7 of each half. */
ALWAYS __m256i states(__m256i words, const int h)
{
    const __m256i none = _mm256_setzero_si256();
    const __m256i index =
        h ? _mm256_unpackhi_epi16(words, none) : _mm256_unpacklo_epi16(words, none);
    return _mm256_add_epi32(index, _mm256_set1_epi32(CN_TRELLIS_START));
}

/* Adds the products of elements first .. first + n - 1 (n even) of eight runs to acc. */
ALWAYS __m256i add_products(__m256i index, const int n, const int8_t (*q)[32], __m256i acc)
{
    UNROLL for (int k = 0; k < n; k += 2)
    {
        /* Two times 2 * 63 * 127 are below 2^15. */
        const __m256i a = _mm256_maddubs_epi16(numbers(index, k + 1), load256(q[k])),
                      b = _mm256_maddubs_epi16(numbers(index, k + 2), load256(q[k + 1]));
        acc =
            _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_add_epi16(a, b), _mm256_set1_epi16(1)));
    }
    return acc;
}

/* a in the low four lanes, b in the high. */
ALWAYS __m256 two_floats(float a, float b)
{
    return _mm256_setr_m128(_mm_set1_ps(a), _mm_set1_ps(b));
}

/* Of eight runs of 8, four in the group at column a and four in that at b: element k four times. */
ALWAYS void arrange_runs8(const struct cn_act *x, int64_t a, int64_t b, int8_t (*q)[32],
                          int32_t *start, float *d)
{
    const __m256i first = load_pair(x->q + a, x->q + b),
                  second = load_pair(x->q + a + 16, x->q + b + 16);
    UNROLL for (int k = 0; k < 8; k++)
    {
        const int z = (int)0x80808080, i = 0x01010101 * k, j = 0x01010101 * (k + 8);
        const __m256i lo = _mm256_setr_epi32(i, j, z, z, i, j, z, z),
                      hi = _mm256_setr_epi32(z, z, i, j, z, z, i, j);
        store256(q[k],
                 _mm256_or_si256(_mm256_shuffle_epi8(first, lo), _mm256_shuffle_epi8(second, hi)));
    }
    for (int l = 0; l < 8; l++) {
        int32_t sum = 0;
        for (int k = 0; k < 8; k++)
            sum += x->q[(l < 4 ? a + 8 * l : b + 8 * (l - 4)) + k];
        start[l] = -CN_TRELLIS_MEAN * sum;
    }
    _mm256_storeu_ps(d, two_floats(x->d[a / 32], x->d[b / 32]));
}

/* Vector v of runs of 8 has groups v / 2 * 4 + v % 2 and two on, as unpacking words makes them. */
ALWAYS void arrange_trellis8(const struct cn_act *x, int64_t c, void *to)
{
    struct runs *r = to;
    for (int v = 0; v < 4; v++) {
        const int64_t a = c + 32 * (v / 2 * 4 + v % 2);
        arrange_runs8(x, a, a + 64, r->q + 8 * v, r->start[v], r->d[v]);
    }
}

/* Signed bytes j (lanes 0 to 3) and j + 2 (lanes 4 to 7) of each dword, as floats. */
ALWAYS __m256 scale_lanes(__m256i bytes, const int j)
{
    const __m256i shift = j ? _mm256_setr_epi32(16, 16, 16, 16, 0, 0, 0, 0)
                            : _mm256_setr_epi32(24, 24, 24, 24, 8, 8, 8, 8);
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_sllv_epi32(bytes, shift), 24));
}

/* The products of 128 columns: words are indices of 16 runs, scales the signed bytes of four
 * groups. */
ALWAYS __m256 add_runs8(__m256i words, __m256i scales, const struct runs *r, const int h,
                        __m256 total)
{
    UNROLL for (int j = 0; j < 2; j++)
    {
        const int v = 2 * h + j;
        const __m256i dot = add_products(states(words, j), 8, r->q + 8 * v, load256(r->start[v]));
        total =
            _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                            _mm256_mul_ps(scale_lanes(scales, j), _mm256_loadu_ps(r->d[v])), total);
    }
    return total;
}

/* Four nibbles, in dwords, to levels of IQ4_NL. */
ALWAYS __m256i nl_scales(__m256i nibbles)
{
    return _mm256_shuffle_epi8(load_twice(cn_iq4_levels),
                               _mm256_and_si256(nibbles, _mm256_set1_epi8(15)));
}

/* Sums of the four bytes of each dword. */
ALWAYS __m256i sum_bytes(__m256i v)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(v, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
}

/* 32 columns of four vectors of sums: elements of a run, or of two of 4, side by side. */
ALWAYS __m256i codes_of_sums(const __m256i *s)
{
    const __m256i v =
        _mm256_packus_epi16(_mm256_packs_epi32(s[0], s[1]), _mm256_packs_epi32(s[2], s[3]));
    return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* The codes of four runs of 8. */
ALWAYS __m256i codes_of_runs8(const uint32_t *index)
{
    const __m256i powers =
        _mm256_setr_epi32((int)power_of(1), (int)power_of(2), (int)power_of(3), (int)power_of(4),
                          (int)power_of(5), (int)power_of(6), (int)power_of(7), (int)power_of(8));
    __m256i s[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        const __m256i x = _mm256_set1_epi32((int)(index[i] + CN_TRELLIS_START));
        s[i] = sum_bytes(
            _mm256_and_si256(_mm256_mullo_epi32(x, powers), _mm256_set1_epi32(CN_TRELLIS_MASK)));
    }
    return codes_of_sums(s);
}

ALWAYS float header_of(const uint8_t *row)
{
    float d;
    memcpy(&d, row, sizeof d);
    return d;
}

#endif

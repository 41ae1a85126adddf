/* SPDX-License-Identifier: MIT
 *
 * The trellis formats (quant/trellis.h) for AVX-512: lanes are runs.
 *
 * The state of element k of a run is its index times a power of the factor: one vpmulld for sixteen
 * runs, with no chain from element to element. vpdpbusd sums up the four 6-bit numbers of a state
 * and multiplies them with the activation, in all four bytes, in one. So sixteen weights take
 * vpmulld, vpandd and vpdpbusd.
 */
#ifndef CN_GEMV_TRELLIS_AVX512_H
#define CN_GEMV_TRELLIS_AVX512_H

#include "quant/ref/codebooks.h"
#include "quant/trellis.h"
#include "quant/x86/simd_avx512.h"

enum { HEADER = 4, TRELLIS_STRIP = 20480 };

/* The activations of 256 columns: of each product of sixteen runs in a row, each byte four times;
 * of the sums that meet scales (two, or four with runs of 4), what the mean of the elements makes
 * of the activations, and the scales of these. */
struct runs {
    _Alignas(64) int8_t q[16][64];
    int32_t start[4][16];
    float d[4][16];
};

/* How a format does it. */
struct trellis {
    int block_bytes;
    void (*arrange)(const struct cn_act *x, int64_t c, struct runs *to);
    /* Adds the products of a block to the sums `total`. */
    __m512 (*step)(const uint8_t *b, const struct runs *x, __m512 total);
    float row_factor;
};

ALWAYS void gemv_by_runs(const struct trellis *f, int64_t n_rows, int64_t n_cols, const void *w,
                         size_t row_bytes, const struct cn_act *x, float *y)
{
    enum { BLOCKS = TRELLIS_STRIP / sizeof(struct runs) };
    struct runs strip[BLOCKS];
    const int64_t n_blocks = n_cols / 256;
    for (int64_t i0 = 0; i0 < n_blocks || i0 == 0; i0 += BLOCKS) {
        const int64_t n = n_blocks - i0 < BLOCKS ? n_blocks - i0 : BLOCKS;
        for (int64_t i = 0; i < n; i++)
            f->arrange(x, 256 * (i0 + i), strip + i);
        for (int64_t r = 0; r < n_rows; r++) {
            const uint8_t *row = row_at(w, r, row_bytes), *b = row + HEADER + i0 * f->block_bytes;
            __m512 total = _mm512_setzero_ps();
            float d;
            for (int64_t i = 0; i < n; i++, b += f->block_bytes) {
                prefetch(b, f->block_bytes);
                total = f->step(b, strip + i, total);
            }
            memcpy(&d, row, sizeof d);
            const float sum = d * f->row_factor * _mm512_reduce_add_ps(total);
            y[r] = i0 ? y[r] + sum : sum;
        }
    }
}

/* The k-th power of the generator's factor. */
ALWAYS uint32_t power_of(const int k)
{
    uint32_t x = 1;
    UNROLL for (int i = 0; i < k; i++) x *= CN_TRELLIS_FACTOR;
    return x;
}

/* The four numbers in element k (1 the first) of sixteen runs. */
ALWAYS __m512i numbers(__m512i state, const int k)
{
    return _mm512_and_si512(_mm512_mullo_epi32(state, _mm512_set1_epi32((int)power_of(k))),
                            _mm512_set1_epi32(CN_TRELLIS_MASK));
}

/* Sixteen indices made states before the first element. */
ALWAYS __m512i states(__m256i words)
{
    return _mm512_add_epi32(_mm512_cvtepu16_epi32(words), _mm512_set1_epi32(CN_TRELLIS_START));
}

/* Adds the products of the first n elements of sixteen runs to acc. */
ALWAYS __m512i add_products(__m512i state, const int n, const int8_t (*q)[64], __m512i acc)
{
    UNROLL for (int k = 0; k < n; k++) acc =
        _mm512_dpbusd_epi32(acc, numbers(state, k + 1), load512(q[k]));
    return acc;
}

/* Byte 4 l + j (any j): stride * l + k of 128. */
ALWAYS __m512i every_byte(const int stride, const int k)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i at =
        _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(stride)), _mm512_set1_epi32(k));
    return _mm512_mullo_epi32(at, _mm512_set1_epi32(0x01010101));
}

/* Sixteen runs of `dims` (8 or 4) from q on: element k in row k, and -126 times the sums of each.
 */
ALWAYS void arrange_sixteen(const int8_t *q, const int dims, int8_t (*to)[64], int32_t *start)
{
    const __m512i lo = load512(q), hi = dims == 8 ? load512(q + 64) : lo;
    __m512i sum = _mm512_setzero_si512();
    UNROLL for (int k = 0; k < dims; k++)
    {
        const __m512i v = _mm512_permutex2var_epi8(lo, every_byte(dims, k), hi);
        store512(to[k], v);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), v);
    }
    /* Each was counted four times. */
    sum = _mm512_mullo_epi32(sum, _mm512_set1_epi32(-CN_TRELLIS_MEAN / 2));
    store512(start, _mm512_srai_epi32(sum, 1));
}

/* Four floats from p on, each to four lanes. */
ALWAYS __m512 four_each(const float *p)
{
    const __m512i at = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_permutexvar_ps(at, _mm512_castps128_ps512(_mm_loadu_ps(p)));
}

ALWAYS void arrange_runs8(const struct cn_act *x, int64_t c, struct runs *to)
{
    UNROLL for (int h = 0; h < 2; h++)
    {
        arrange_sixteen(x->q + c + 128 * h, 8, to->q + 8 * h, to->start[h]);
        _mm512_store_ps(to->d[h], four_each(x->d + c / 32 + 4 * h));
    }
}

/* Four signed bytes, each to four lanes, as floats. */
ALWAYS __m512 scale_lanes(__m128i bytes)
{
    const __m128i at = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_shuffle_epi8(bytes, at)));
}

/* Nibbles to levels of IQ4_NL. */
ALWAYS __m128i nl_scales(uint32_t nibbles)
{
    return _mm_shuffle_epi8(load128(cn_iq4_levels), _mm_cvtsi32_si128((int)(nibbles & 0x0f0f0f0f)));
}

/* The products of 128 columns: words are indices of 16 runs, scales those of four groups. */
ALWAYS __m512 add_runs8(__m256i words, __m512 scale, const struct runs *r, const int h,
                        __m512 total)
{
    const __m512i acc = add_products(states(words), 8, r->q + 8 * h, load512(r->start[h]));
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc), _mm512_mul_ps(scale, _mm512_load_ps(r->d[h])),
                           total);
}

#endif

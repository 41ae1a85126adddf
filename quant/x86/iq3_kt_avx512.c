/* SPDX-License-Identifier: MIT
 *
 * IQ3_KT for AVX-512.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale | 32 x u16: index | 32 bytes: signs |
 *
 * The generator as in gemv_trellis_avx512.h; but what counts is the size of an element: vpdpbusd
 * with ones sums up, and four elements of a run meet in a lane. Signs are at the activations.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a group of 32.
 */
#include "quant/x86/gemv_trellis_avx512.h"

#include "quant/ref/iq3_kt.h"

extern const struct cn_kernels cn_iq3_kt_avx512;

/* The activations: dwords 0 and 1 of sixteen runs of 8, of each half of a block. */
static void iq3_kt_arrange_avx512(const struct cn_act *x, int64_t c, struct runs *to)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    UNROLL for (int h = 0; h < 2; h++)
    {
        const __m512i lo = load512(x->q + c + 128 * h), hi = load512(x->q + c + 128 * h + 64);
        UNROLL for (int i = 0; i < 2; i++) store512(
            to->q[2 * h + i],
            _mm512_permutex2var_epi32(lo, _mm512_add_epi32(even, _mm512_set1_epi32(i)), hi));
        _mm512_store_ps(to->d[h], four_each(x->d + c / 32 + 4 * h));
    }
}

/* |T| of elements first .. first + 3 of sixteen runs, a byte each. */
ALWAYS __m512i sizes(__m512i state, const int first)
{
    __m512i all = _mm512_setzero_si512();
    UNROLL for (int k = 0; k < 4; k++)
    {
        const __m512i t = _mm512_dpbusd_epi32(_mm512_set1_epi32(-CN_TRELLIS_MEAN),
                                              numbers(state, first + k + 1), _mm512_set1_epi8(1));
        all = _mm512_or_si512(all, _mm512_slli_epi32(_mm512_abs_epi32(t), (unsigned)(8 * k)));
    }
    return all;
}

/* Bytes 8 r + 4 i .. + 3 of the signs, r = 0 .. 3, for each four lanes. */
ALWAYS __m512i signs_of(const uint8_t *sign, const int i)
{
    const __m128i v =
        _mm_setr_epi32((int)load32(sign + 4 * i), (int)load32(sign + 4 * i + 8),
                       (int)load32(sign + 4 * i + 16), (int)load32(sign + 4 * i + 24));
    return _mm512_broadcast_i32x4(v);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct runs *x, __m512 total)
{
    const struct cn_block_iq3_kt *b = (const void *)bytes;
    const uint32_t nibbles = load32(b->scale);
    const __m512i bit =
        _mm512_setr_epi32(0x01010101, 0x01010101, 0x01010101, 0x01010101, 0x02020202, 0x02020202,
                          0x02020202, 0x02020202, 0x04040404, 0x04040404, 0x04040404, 0x04040404,
                          0x08080808, 0x08080808, 0x08080808, 0x08080808);
    UNROLL for (int h = 0; h < 2; h++)
    {
        const __m512i state = states(load256(b->index + 16 * h));
        __m512i acc = _mm512_setzero_si512();
        UNROLL for (int i = 0; i < 2; i++)
        {
            const __mmask64 negative = _mm512_test_epi8_mask(
                signs_of(b->sign, i), _mm512_slli_epi16(bit, (unsigned)(4 * h)));
            acc = _mm512_dpbusd_epi32(acc, sizes(state, 4 * i),
                                      negate_where(negative, load512(x->q[2 * h + i])));
        }
        const __m512 scale = scale_lanes(_mm_cvtsi32_si128((int)(nibbles >> (4 * h) & 0x0f0f0f0f)));
        total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc),
                                _mm512_mul_ps(scale, _mm512_load_ps(x->d[h])), total);
    }
    return total;
}

static void iq3_kt_gemv_avx512(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                               const struct cn_act *x, float *y)
{
    static const struct trellis trellis = { .block_bytes = sizeof(struct cn_block_iq3_kt),
                                            .arrange = iq3_kt_arrange_avx512,
                                            .step = step,
                                            .row_factor = 1.01f };
    gemv_by_runs(&trellis, n_rows, n_cols, w, row_bytes, x, y);
}

const struct cn_kernels cn_iq3_kt_avx512 = { .gemv = iq3_kt_gemv_avx512 };

/* SPDX-License-Identifier: MIT
 *
 * IQ1_M for AVX-512.
 *
 *   | 32 bytes: low index bits of runs of 8 | 32 x (3 high index bits, 1 bit: shift is negative) |
 *   | 4 x u16: 4 x 3-bit scale, a nibble of d |
 *
 * Two blocks at a time: 64 runs are looked up in two planes of bytes. The shift's bit takes
 * the place of bit 6, and vpermt2b turns it and a 2-bit digit to eight times the value, shifted and
 * made unsigned, an element of all runs at a time. Two runs share 16 bits of the sums, to which a
 * scale is applied in integers; so it is to the offset. One lane a group of 32.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/iq1_grid_avx512.h"

#include "quant/ref/iq1_m.h"

extern const struct cn_kernels cn_iq1_m_avx512;

enum { OFFSET = 9 };

static void iq1_m_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_planes8(x, c, to);
    store512(to->start[0],
             _mm512_mullo_epi16(load512(x->sum16 + c / 16), _mm512_set1_epi16(-OFFSET)));
}

/* The sixteen scales of each of two blocks without d, 16 bits: three bits at 3 (g % 4) of word g /
 * 4 of a block. */
ALWAYS __m512i scales_of(const struct cn_block_iq1_m *b)
{
    const __m512i v = _mm512_inserti64x4(_mm512_set1_epi64((long long)load64(b[0].scale)),
                                         _mm256_set1_epi64x((long long)load64(b[1].scale)), 1);
    const long long first = 0x0808050502023f3f, step = 0x1010101010101010;
    const __m512i at = _mm512_broadcast_i64x4(
        _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step));
    return and_or(_mm512_multishift_epi64_epi8(at, v), _mm512_set1_epi16(14), _mm512_set1_epi16(1));
}

/* d is in the top four bits of the four words of scales. */
ALWAYS uint16_t d_of(const struct cn_block_iq1_m *b)
{
    return (uint16_t)_pext_u64(load64(b->scale), 0xf000f000f000f000);
}

/* Element j of 64 runs; bit 6 of `plane` says whether the shift is negative. */
ALWAYS __m512i shifted_element_of(__m512i plane, const int j)
{
    const uint32_t low = OFFSET - 8, mid = OFFSET, high = OFFSET + 8, four = 0x01010101u;
    const uint32_t by1 = low | mid << 8 | high << 16;
    const __m128i by4 = _mm_setr_epi32((int)(four * low), (int)(four * mid), (int)(four * high), 0);
    const __m512i by16 =
        _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi128_si512(_mm_set1_epi8((char)low)),
                                              _mm_set1_epi8((char)mid), 1),
                           _mm_set1_epi8((char)high), 2);
    const __m512i table = j % 4 == 0 || j % 4 == 3 ? _mm512_set1_epi32((int)by1)
                          : j % 4 == 1             ? _mm512_broadcast_i32x4(by4)
                                                   : by16;
    const __m512i one = _mm512_set1_epi8(1);
    return _mm512_permutex2var_epi8(_mm512_add_epi8(table, one), plane,
                                    _mm512_sub_epi8(table, one));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq1_m *b = (const void *)bytes;
    const __m512i index = load_two256(b[0].index, b[1].index), bit6 = _mm512_set1_epi8(64);
    const __m512i rest = _mm512_multishift_epi64_epi8(
        _mm512_set1_epi64(0x3430242014100400),
        _mm512_cvtepu8_epi16(_mm256_setr_m128i(load128(b[0].rest), load128(b[1].rest))));
    const __m512i shift = _mm512_slli_epi16(rest, 3), scale = scales_of(b);
    __m512i acc = _mm512_dpwssd_epi32(_mm512_setzero_si512(), scale, load512(x->start[0]));
    __m512i planes[2];
    iq1_lookup(index, rest, planes);
    UNROLL for (int p = 0; p < 2; p++)
    {
        __m512i plane = planes[p], word[4];
        const __m512i fourth = select_bits(bit6, shift, _mm512_srli_epi16(plane, 6));
        plane = select_bits(bit6, shift, plane);
        UNROLL for (int j = 0; j < 4; j++) word[j] = _mm512_maddubs_epi16(
            shifted_element_of(j == 3 ? fourth : plane, j), load512(x[p].q + 64 * j));
        acc = _mm512_dpwssd_epi32(acc,
                                  _mm512_add_epi16(_mm512_add_epi16(word[0], word[1]),
                                                   _mm512_add_epi16(word[2], word[3])),
                                  scale);
    }
    const uint16_t d0 = d_of(b), d1 = d_of(b + 1);
    const __m512 d = _mm512_mul_ps(two_halves(&d0, &d1), _mm512_set1_ps(0.125f));
    return add_sums(acc, d, x->d[0], total);
}

STRIP_GEMV512(iq1_m, 256, 512, 0)

const struct cn_kernels cn_iq1_m_avx512 = { .gemv = iq1_m_gemv_avx512, .few = iq1_m_few_avx512 };

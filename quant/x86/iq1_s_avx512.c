/* SPDX-License-Identifier: MIT
 *
 * IQ1_S for AVX-512.
 *
 *   | d f16 | 32 bytes: low index bits of runs of 8 |
 *   | 8 x u16: 4 x 3 high index bits, 3-bit scale, 1 bit: shift is negative |
 *
 * Two blocks at a time: 64 runs are looked up in two planes of bytes, whose 2-bit digits
 * vpermb turns to eight times the value, made unsigned, an element of all runs at a time. What this
 * and the shift add is one of two numbers for the sums to start at. One lane a group.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/iq1_grid_avx512.h"

#include "quant/ref/iq1_s.h"

extern const struct cn_kernels cn_iq1_s_avx512;

enum { OFFSET = 8 };

static void iq1_s_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    const __m512i sum = _mm512_madd_epi16(load512(x->sum16 + c / 16), _mm512_set1_epi16(1));
    arrange_planes8(x, c, to);
    store512(to->start[0], _mm512_mullo_epi32(sum, _mm512_set1_epi32(1 - OFFSET)));
    store512(to->start[1], _mm512_mullo_epi32(sum, _mm512_set1_epi32(-1 - OFFSET)));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq1_s *b = (const void *)bytes;
    const __m512i index = load_two256(b[0].index, b[1].index);
    const __m512i rest =
        _mm512_cvtepu16_epi32(_mm256_setr_m128i(load128(b[0].rest), load128(b[1].rest)));
    const __m512i high = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x2926232009060300), rest);
    __m512i plane[2];
    iq1_lookup(index, high, plane);
    __m512i acc[2];
    acc[1] = _mm512_setzero_si512();
    acc[0] = _mm512_mask_mov_epi32(load512(x->start[0]),
                                   _mm512_test_epi32_mask(rest, _mm512_set1_epi32(0x8000)),
                                   load512(x->start[1]));
    UNROLL for (int j = 0; j < 8; j++) acc[j % 2] =
        _mm512_dpbusd_epi32(acc[j % 2], element_of(plane[j / 4], j, OFFSET - 8, OFFSET, OFFSET + 8),
                            load512(x[j / 4].q + 64 * (j % 4)));
    const __m512 scale = _mm512_cvtepi32_ps(
        and_or(_mm512_srli_epi32(rest, 11), _mm512_set1_epi32(14), _mm512_set1_epi32(1)));
    const __m512 d = _mm512_mul_ps(two_halves(&b[0].d, &b[1].d), _mm512_set1_ps(0.125f));
    return add_sums(_mm512_add_epi32(acc[0], acc[1]), _mm512_mul_ps(scale, d), x->d[0], total);
}

STRIP_GEMV512(iq1_s, 256, 512, 0)

const struct cn_kernels cn_iq1_s_avx512 = { .gemv = iq1_s_gemv_avx512, .few = iq1_s_few_avx512 };

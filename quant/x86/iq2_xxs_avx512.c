/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS for AVX-512.
 *
 *   | d f16 | 8 x (4 bytes: indices of runs of 8 | u32: 4 x 7-bit sign code, 4-bit scale) |
 *
 * Two blocks at a time: 64 runs are looked up in two planes of 256 bytes, whose 2-bit levels vpermb
 * turns to magnitudes, an element of all runs at a time. Sign codes are spread to a byte a run by
 * vpmultishiftqb, and completed by their parity, a row of a vgf2p8affineqb matrix; signs go to the
 * activations. One lane a group.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/iq2_xxs.h"

extern const struct cn_kernels cn_iq2_xxs_avx512;

enum { SIZE = 256 };

/* Plane p: elements 4 p to 4 p + 3 of each entry, 2 bits each. */
static const _Alignas(64) uint8_t planes[2 * SIZE] = {
#include "quant/x86/iq2_xxs_planes.inc"
};

static void iq2_xxs_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_planes8(x, c, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq2_xxs *b = (const void *)bytes;
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
    const __m512i v = load512(b[0].group), w = load512(b[1].group);
    const __m512i index = _mm512_permutex2var_epi32(v, even, w),
                  rest = _mm512_permutex2var_epi32(v, odd, w);
    const __mmask64 mask[1] = { _mm512_movepi8_mask(index) };
    const __m512i plane[2] = { lookup8(planes, index, mask), lookup8(planes + SIZE, index, mask) };
    const __m512i signs =
        even_signs512(_mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x352e2720150e0700), rest), 0);
    __m512i acc[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    UNROLL for (int j = 0; j < 8; j++)
    {
        const __mmask64 negative = _mm512_test_epi8_mask(signs, _mm512_set1_epi8((char)(1 << j)));
        acc[j % 2] = _mm512_dpbusd_epi32(
            acc[j % 2], element_of(plane[j / 4], j, IQ2_LOW, IQ2_MIDDLE, IQ2_HIGH),
            negate_where(negative, load512(x[j / 4].q + 64 * (j % 4))));
    }
    const __m512 s = _mm512_cvtepi32_ps(_mm512_srli_epi32(rest, 28));
    const __m512 scale =
        _mm512_mul_ps(_mm512_fmadd_ps(s, _mm512_set1_ps(0.25f), _mm512_set1_ps(0.125f)),
                      two_halves(&b[0].d, &b[1].d));
    return add_sums(_mm512_add_epi32(acc[0], acc[1]), scale, x->d[0], total);
}

STRIP_GEMV512(iq2_xxs, 256, 512, 0)

const struct cn_kernels cn_iq2_xxs_avx512 = { .gemv = iq2_xxs_gemv_avx512,
                                              .few = iq2_xxs_few_avx512 };

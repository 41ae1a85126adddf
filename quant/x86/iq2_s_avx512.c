/* SPDX-License-Identifier: MIT
 *
 * IQ2_S for AVX-512.
 *
 *   | d f16 | 32 bytes: low index bits of runs of 8 | 32 bytes: signs | 8 bytes: 32 x 2 index bits
 * | | 8 bytes: 16 x 4-bit scale |
 *
 * Two blocks at a time: 64 runs are looked up in two planes of 1024 bytes, whose 2-bit levels
 * vpermb turns to magnitudes, an element of all runs at a time. Signs go to the activations. Two
 * runs share 16 bits of the sums, to which a scale is applied in integers; one lane a group of 32.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/iq2_s.h"

extern const struct cn_kernels cn_iq2_s_avx512;

enum { SIZE = 1024 };

/* Plane p: elements 4 p to 4 p + 3 of each entry, 2 bits each. */
static const _Alignas(64) uint8_t planes[2 * SIZE] = {
#include "quant/x86/iq2_s_planes.inc"
};

static void iq2_s_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_planes8(x, c, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq2_s *b = (const void *)bytes;
    const __m512i index = load_two256(b[0].index, b[1].index),
                  signs = load_two256(b[0].signs, b[1].signs);
    const __m128i v = load128(b[0].index_hi), w = load128(b[1].index_hi);
    const __m512i high = _mm512_multishift_epi64_epi8(
        _mm512_set1_epi64(0x2624222006040200), _mm512_cvtepu8_epi32(_mm_unpacklo_epi64(v, w)));
    const __mmask64 mask[3] = { _mm512_movepi8_mask(index),
                                _mm512_test_epi8_mask(high, _mm512_set1_epi8(1)),
                                _mm512_test_epi8_mask(high, _mm512_set1_epi8(2)) };
    const __m512i plane[2] = { lookup10(planes, index, mask),
                               lookup10(planes + SIZE, index, mask) };
    const __m512i scale = odd_scales512(_mm_unpackhi_epi64(v, w));
    const __m512i acc = dot_iq2_halves(plane, signs, x, scale);
    const __m512 d = _mm512_mul_ps(two_halves(&b[0].d, &b[1].d), _mm512_set1_ps(0.125f));
    return add_sums(acc, d, x->d[0], total);
}

STRIP_GEMV512(iq2_s, 256, 512, 0)

const struct cn_kernels cn_iq2_s_avx512 = { .gemv = iq2_s_gemv_avx512, .few = iq2_s_few_avx512 };

/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS for AVX-512.
 *
 *   | d f16 | 32 x u16: 9-bit index of a run of 8, 7-bit sign code | 8 bytes: 16 x 4-bit scale |
 *
 * Two blocks at a time: 64 runs are looked up in two planes of 512 bytes, whose 2-bit levels vpermb
 * turns to magnitudes, an element of all runs at a time. Sign codes are completed by their parity,
 * a row of a vgf2p8affineqb matrix; signs go to the activations. Two runs share 16 bits of the
 * sums, to which a scale is applied in integers; one lane a group of 32.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/iq2_xs.h"

extern const struct cn_kernels cn_iq2_xs_avx512;

enum { SIZE = 512 };

/* Plane p: elements 4 p to 4 p + 3 of each entry, 2 bits each. */
static const _Alignas(64) uint8_t planes[2 * SIZE] = {
#include "quant/x86/iq2_xs_planes.inc"
};

/* Even bytes of two vectors. */
static const _Alignas(64) uint8_t even_bytes[64] = { EVERY16(2, 0), EVERY16(2, 32), EVERY16(2, 64),
                                                     EVERY16(2, 96) };

static void iq2_xs_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_planes8(x, c, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq2_xs *b = (const void *)bytes;
    const __m512i even = load512(even_bytes);
    const __m512i v = load512(b[0].run), w = load512(b[1].run);
    const __m512i index = _mm512_permutex2var_epi8(v, even, w),
                  rest = _mm512_permutex2var_epi8(v, _mm512_or_si512(even, _mm512_set1_epi8(1)), w);
    const __mmask64 mask[2] = { _mm512_movepi8_mask(index),
                                _mm512_test_epi8_mask(rest, _mm512_set1_epi8(1)) };
    const __m512i plane[2] = { lookup9(planes, index, mask), lookup9(planes + SIZE, index, mask) };
    const __m512i scale =
        odd_scales512(_mm_set_epi64x((long long)load64(b[1].scale), (long long)load64(b[0].scale)));
    const __m512i acc = dot_iq2_halves(plane, even_signs512(rest, 1), x, scale);
    const __m512 d = _mm512_mul_ps(two_halves(&b[0].d, &b[1].d), _mm512_set1_ps(0.125f));
    return add_sums(acc, d, x->d[0], total);
}

STRIP_GEMV512(iq2_xs, 256, 512, 0)

const struct cn_kernels cn_iq2_xs_avx512 = { .gemv = iq2_xs_gemv_avx512, .few = iq2_xs_few_avx512 };

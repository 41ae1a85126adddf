/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS for AVX-512.
 *
 *   | d f16 | 64 bytes: indices of runs of 4 | 8 x u32: 4 x 7-bit sign code, 4-bit scale |
 *
 * The four elements of 64 runs are looked up in four planes of 256 magnitudes. Sign codes are
 * spread to two bytes a run of 8 by vpmultishiftqb, and completed by their parity, a row of a
 * vgf2p8affineqb matrix; signs go to the activations. Two lanes a group.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/iq3_xxs.h"

extern const struct cn_kernels cn_iq3_xxs_avx512;

enum { SIZE = 256 };

/* Plane j: element j of each entry. */
static const _Alignas(64) uint8_t planes[4 * SIZE] = {
#include "quant/x86/iq3_xxs_planes.inc"
};

/* Columns, by plane. */
static const uint8_t order[256] = { PLANE4(0), PLANE4(1), PLANE4(2), PLANE4(3) };

static void iq3_xxs_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    permute256(order, x->q + c, to->q);
    _mm512_store_ps(to->d[0], _mm512_mul_ps(twice_each(x->d + c / 32), _mm512_set1_ps(0.5f)));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq3_xxs *b = (const void *)bytes;
    const __m512i index = load512(b->index);
    const __mmask64 mask[1] = { _mm512_movepi8_mask(index) };
    const __m512i rest = _mm512_cvtepu32_epi64(load256(b->rest));
    const __m512i signs =
        even_signs512(_mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x15150e0e07070000), rest), 0);
    __m512i acc[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
    UNROLL for (int j = 0; j < 4; j++)
    {
        const __mmask64 negative =
            _mm512_test_epi8_mask(signs, _mm512_set1_epi16((short)(0x1001 << j)));
        acc[j % 2] = _mm512_dpbusd_epi32(acc[j % 2], lookup8(planes + j * SIZE, index, mask),
                                         negate_where(negative, load512(x->q + 64 * j)));
    }
    const __m512i s = _mm512_srli_epi32(_mm512_shuffle_epi32(rest, 0xa0), 28);
    const __m512 scale =
        _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(0.5f)), halves_at(&b->d));
    return add_sums(_mm512_add_epi32(acc[0], acc[1]), scale, x->d[0], total);
}

STRIP_GEMV512(iq3_xxs, 256, 256, 0)

const struct cn_kernels cn_iq3_xxs_avx512 = { .gemv = iq3_xxs_gemv_avx512,
                                              .few = iq3_xxs_few_avx512 };

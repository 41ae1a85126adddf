/* SPDX-License-Identifier: MIT
 *
 * IQ3_S for AVX-512.
 *
 *   | d f16 | 64 bytes: low index bits | 8 bytes: ninth index bits | 32 bytes: signs |
 *   | 4 bytes: 8 x 4-bit scale |
 *
 * The four elements of 64 runs of 4 are looked up in two planes of 512 bytes, a nibble an element;
 * the ninth bits are a mask as they stand. Signs go to the activations. Two lanes a group.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/iq3_s.h"

extern const struct cn_kernels cn_iq3_s_avx512;

enum { SIZE = 512 };

/* Plane p: elements 2 p (low nibble) and 2 p + 1 of each entry. */
static const _Alignas(64) uint8_t planes[2 * SIZE] = {
#include "quant/x86/iq3_s_planes.inc"
};

/* Columns, by element of a run; every byte twice. */
/* clang-format off */
static const uint8_t order[256] = { PLANE4(0), PLANE4(1), PLANE4(2), PLANE4(3) };
#define TWICE4(i) (i), (i), (i) + 1, (i) + 1, (i) + 2, (i) + 2, (i) + 3, (i) + 3
static const uint8_t twice[64] = {
    TWICE4(0), TWICE4(4), TWICE4(8), TWICE4(12), TWICE4(16), TWICE4(20), TWICE4(24), TWICE4(28),
};
/* clang-format on */

static void iq3_s_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    permute256(order, x->q + c, to->q);
    _mm512_store_ps(to->d[0], _mm512_mul_ps(twice_each(x->d + c / 32), _mm512_set1_ps(2)));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq3_s *b = (const void *)bytes;
    const __m512i index = load512(b->index), nibble = _mm512_set1_epi8(15);
    const __mmask64 mask[2] = { _mm512_movepi8_mask(index), _cvtu64_mask64(load64(b->index_hi)) };
    const __m512i signs =
        _mm512_permutexvar_epi8(load512(twice), _mm512_castsi256_si512(load256(b->signs)));
    __m512i acc[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() }, plane = acc[0];
    UNROLL for (int j = 0; j < 4; j++)
    {
        const __mmask64 negative =
            _mm512_test_epi8_mask(signs, _mm512_set1_epi16((short)(0x1001 << j)));
        plane = j % 2 ? _mm512_srli_epi16(plane, 4) : lookup9(planes + j / 2 * SIZE, index, mask);
        acc[j % 2] = _mm512_dpbusd_epi32(acc[j % 2], _mm512_and_si512(plane, nibble),
                                         negate_where(negative, load512(x->q + 64 * j)));
    }
    const __m512i shift =
        _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    const __m512i s = _mm512_and_si512(
        _mm512_srlv_epi32(_mm512_set1_epi32((int)load32(b->scale)), shift), _mm512_set1_epi32(15));
    const __m512 scale =
        _mm512_mul_ps(_mm512_add_ps(_mm512_cvtepi32_ps(s), _mm512_set1_ps(0.5f)), halves_at(&b->d));
    return add_sums(_mm512_add_epi32(acc[0], acc[1]), scale, x->d[0], total);
}

STRIP_GEMV512(iq3_s, 256, 256, 0)

const struct cn_kernels cn_iq3_s_avx512 = { .gemv = iq3_s_gemv_avx512, .few = iq3_s_few_avx512 };

/* SPDX-License-Identifier: MIT
 *
 * Q1_0 for AVX-512.
 *
 *   | d f16 | 16 bytes: 128 bits |        w = bit ? d : -d
 *
 * The bytes of two blocks, and the same shifted by a nibble, are a vector: bit i of it, brought to
 * bit 1 by a matrix product (gf2p8affine), is every eighth column from column i on, and i + 4 in
 * the other half. With the activations in that order a lane of the sums is 32 columns, twice. What
 * is twice the sum where the bit is set starts at minus the sum of all.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms for 32 columns.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q1_0.h"

extern const struct cn_kernels cn_q1_0_avx512;

static void q1_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    /* clang-format off */
    static const uint8_t order[256] = {
        PLANE8(0), PLANE8(4), PLANE8(1), PLANE8(5), PLANE8(2), PLANE8(6), PLANE8(3), PLANE8(7),
    };
    /* clang-format on */
    permute256(order, x->q + c, to->q);
    const __m256 d = _mm256_loadu_ps(x->d + c / 32);
    _mm512_store_ps(to->d[0], _mm512_insertf32x8(_mm512_castps256_ps512(d), d, 1));
    const __m256i sums = _mm256_madd_epi16(load256(x->sum16 + c / 16), _mm256_set1_epi16(-1));
    store512(to->start[0], _mm512_inserti64x4(_mm512_setzero_si512(), sums, 0));
}

/* Bit i of each byte, to bit 1. */
ALWAYS __m512i one_bit(__m512i v, const int i)
{
    return affine(v, _mm512_set1_epi64((long long)AFFINE_BIT(i, 1)));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_q1_0 *b = (const void *)bytes;
    const __m256i bits = load_pair(b[0].q, b[1].q);
    const __m512i v =
        _mm512_inserti64x4(_mm512_castsi256_si512(bits), _mm256_srli_epi16(bits, 4), 1);
    __m512i acc = load512(x->start[0]);
    UNROLL for (int i = 0; i < 4; i++) acc =
        _mm512_dpbusd_epi32(acc, one_bit(v, i), load512(x->q + 64 * i));
    const __m256 d = _mm256_cvtph_ps(_mm_unpacklo_epi64(_mm_set1_epi16((short)load16(&b[0].d)),
                                                        _mm_set1_epi16((short)load16(&b[1].d))));
    const __m512 scale = _mm512_insertf32x8(_mm512_castps256_ps512(d), d, 1);
    return add_sums(acc, scale, x->d[0], total);
}

STRIP_GEMV512(q1_0, 128, 256, 0)

const struct cn_kernels cn_q1_0_avx512 = { .gemv = q1_0_gemv_avx512, .few = q1_0_few_avx512 };

/* SPDX-License-Identifier: MIT
 *
 * Q2_0 for AVX-512.
 *
 *   | d f16 | 16 bytes: 64 x 2-bit code |        w = d * (code - 1)
 *
 * Sixteen bytes of codes of four blocks meet in one vector. Field f of its bytes is every fourth
 * column from column f on; with the activations in that order all four products of a byte end in
 * one lane of the sums, which is 16 columns. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q2_0.h"

extern const struct cn_kernels cn_q2_0_avx512;

enum { OFFSET = 1 };

static void q2_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    /* clang-format off */
    static const uint8_t order[256] = { PLANE4(0), PLANE4(1), PLANE4(2), PLANE4(3) };
    /* clang-format on */
    arrange_runs(order, x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    __m512 scales;
    const __m512i v = four_of_18(b, &scales), field = _mm512_set1_epi8(3);
    __m512i acc = load512(x->start[0]);
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(v, field), load512(x->q));
    UNROLL for (int f = 1; f < 4; f++) acc =
        _mm512_dpbusd_epi32(acc, _mm512_and_si512(_mm512_srli_epi16(v, (unsigned)(2 * f)), field),
                            load512(x->q + 64 * f));
    return add_sums(acc, scales, x->d[0], total);
}

STRIP_GEMV512(q2_0, 64, 256, 0)

const struct cn_kernels cn_q2_0_avx512 = { .gemv = q2_0_gemv_avx512, .few = q2_0_few_avx512 };

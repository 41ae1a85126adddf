/* SPDX-License-Identifier: MIT
 *
 * Q4_0 for AVX-512.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * (code - 8)
 *
 * The codes of four blocks meet in one vector, so 128 bits of the sums are a block. The offset is
 * where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, three terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q4_0.h"

extern const struct cn_kernels cn_q4_0_avx512;

enum { OFFSET = 8 };

static void q4_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_q4_0))
    {
        __m512 scale;
        const __m512i code = four_of_18(b, &scale);
        total = add_fours(_mm512_and_si512(code, nibble),
                          _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble), scale, x, i, total);
    }
    return total;
}

STRIP_GEMV512(q4_0, 32, 256, 0)

const struct cn_kernels cn_q4_0_avx512 = { .gemv = q4_0_gemv_avx512, .few = q4_0_few_avx512 };

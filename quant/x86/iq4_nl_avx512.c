/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL for AVX-512.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * level[code]
 *
 * The codes of four blocks meet in one vector, so 128 bits of the sums are a block. vpermb
 * makes them levels plus 128, unsigned; it ignores what is above six bits, and the table does not
 * mind the other two. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, three terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_nl.h"

extern const struct cn_kernels cn_iq4_nl_avx512;

enum { OFFSET = 128 };

static void iq4_nl_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i levels =
        _mm512_xor_si512(nibble_table(cn_iq4_levels), _mm512_set1_epi8((char)OFFSET));
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_iq4_nl))
    {
        __m512 scale;
        const __m512i code = four_of_18(b, &scale);
        total = add_fours(_mm512_permutexvar_epi8(code, levels),
                          _mm512_permutexvar_epi8(_mm512_srli_epi16(code, 4), levels), scale, x, i,
                          total);
    }
    return total;
}

STRIP_GEMV512(iq4_nl, 32, 256, 0)

const struct cn_kernels cn_iq4_nl_avx512 = { .gemv = iq4_nl_gemv_avx512, .few = iq4_nl_few_avx512 };

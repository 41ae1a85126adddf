/* SPDX-License-Identifier: MIT
 *
 * Q6_0 for AVX-512.
 *
 *   | d f16 | 8 bytes: bits 4 and 5 | 16 bytes: low 4 bits |        w = d * (code - 32)
 *
 * Sixteen bytes of codes of four blocks meet in one vector (a permutation of two loads), so 128
 * bits of the sums are a block. The eight bytes of high bits meet twice, the second time shifted by
 * a nibble. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q6_0.h"

extern const struct cn_kernels cn_q6_0_avx512;

enum { OFFSET = 32, SECOND = 40 };

/* Of four blocks, 13 words apart, in two loads, the second of which begins at word 20: words of the
 * codes; of the high bits, twice; of the scales four times each. */
/* clang-format off */
#define TWICE(i) EVERY4(1, i), EVERY4(1, i)
static const int16_t code_words[32] = { EVERY4(1, 5), EVERY4(1, 9), EVERY4(1, 18), EVERY4(1, 22), EVERY4(1, 43), EVERY4(1, 47), EVERY4(1, 56), EVERY4(1, 60) };
static const int16_t high_words[32] = { TWICE(1), TWICE(14), TWICE(39), TWICE(52) };
static const int16_t scale_words[32] = { 0, 0, 0, 0, 13, 13, 13, 13, 38, 38, 38, 38, 51, 51, 51, 51 };
/* clang-format on */

static void q6_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i nibble = _mm512_set1_epi8(15), above = _mm512_set1_epi8(0x30);
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_q6_0))
    {
        const __m512i v = load512(b), w = load512(b + SECOND);
        const __m512i code = words_of(v, code_words, w);
        const __m512i high = _mm512_srlv_epi64(words_of(v, high_words, w),
                                               _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4));
        const __m512i first = select_bits(nibble, code, _mm512_slli_epi16(high, 4)),
                      last = select_bits(nibble, _mm512_srli_epi16(code, 4),
                                         _mm512_slli_epi16(high, 2));
        const __m512i six = _mm512_or_si512(nibble, above);
        total = add_fours(_mm512_and_si512(first, six), _mm512_and_si512(last, six),
                          halves_of(words_of(v, scale_words, w)), x, i, total);
    }
    return total;
}

STRIP_GEMV512(q6_0, 32, 256, 0)

const struct cn_kernels cn_q6_0_avx512 = { .gemv = q6_0_gemv_avx512, .few = q6_0_few_avx512 };

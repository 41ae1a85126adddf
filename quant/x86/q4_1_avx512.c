/* SPDX-License-Identifier: MIT
 *
 * Q4_1 for AVX-512.
 *
 *   | d f16 | m f16 | 16 bytes: 32 x 4-bit code |        w = d * code + m
 *
 * Sixteen bytes of codes of four blocks meet in one vector (a permutation of two loads, which do
 * not overlap: see load_once), so 128 bits of the sums are a block. The addends meet the sums of
 * the activations, in one lane of four.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, five terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q4_1.h"

extern const struct cn_kernels cn_q4_1_avx512;

/* Of four blocks, 10 words apart: words of the codes, of two loads, and of scales and addends, four
 * times each. */
/* clang-format off */
static const int16_t code_words[32] = { EVERY4(1, 2), EVERY4(1, 6), EVERY4(1, 12), EVERY4(1, 16), EVERY4(1, 22), EVERY4(1, 26), EVERY4(1, 32), EVERY4(1, 36) };
static const int16_t scale_words[32] = { 0, 0, 0, 0, 10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30, 1, 1, 1, 1, 11, 11, 11, 11, 21, 21, 21, 21, 31, 31, 31, 31 };
/* clang-format on */

static void q4_1_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, 0, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_q4_1))
    {
        const __m512i v = load_once(b),
                      code = words_of(v, code_words, _mm512_castsi128_si512(load128(b + 64)));
        __m512i acc = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_and_si512(code, nibble),
                                          load512(x->q + 128 * i));
        acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(_mm512_srli_epi16(code, 4), nibble),
                                  load512(x->q + 128 * i + 64));
        const __m512i scales = words_of(v, scale_words, v);
        const __m512 d = halves_of(scales),
                     m = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(scales, 1));
        total = _mm512_fmadd_ps(m, _mm512_load_ps(x->sum[i]), total);
        total = add_sums(acc, d, x->d[i], total);
    }
    return total;
}

STRIP_GEMV512(q4_1, 32, 256, 0)

const struct cn_kernels cn_q4_1_avx512 = { .gemv = q4_1_gemv_avx512, .few = q4_1_few_avx512 };

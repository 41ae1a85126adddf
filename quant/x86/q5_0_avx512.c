/* SPDX-License-Identifier: MIT
 *
 * Q5_0 for AVX-512.
 *
 *   | d f16 | 4 bytes: fifth bits | 16 bytes: 32 x low 4 bits |        w = d * (code - 16)
 *
 * Sixteen bytes of codes of four blocks meet in one vector (a permutation of two loads), so 128
 * bits of the sums are a block. Bytes of fifth bits are spread the same way and become a mask. The
 * offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q5_0.h"

extern const struct cn_kernels cn_q5_0_avx512;

enum { OFFSET = 16 };

/* Of four blocks, 11 words apart, in two loads: words of the codes, and of the scales four times
 * each; bytes of the fifth bits eight times each, of the first and last 16 columns. */
/* clang-format off */
#define EIGHT(i) (i), (i), (i), (i), (i), (i), (i), (i)
static const int16_t code_words[32] = { EVERY4(1, 3), EVERY4(1, 7), EVERY4(1, 14), EVERY4(1, 18), EVERY4(1, 45), EVERY4(1, 49), EVERY4(1, 56), EVERY4(1, 60) };
static const int16_t scale_words[32] = { 0, 0, 0, 0, 11, 11, 11, 11, 22, 22, 22, 22, 53, 53, 53, 53 };
static const uint8_t first_bits[64] = { EIGHT(2), EIGHT(3), EIGHT(24), EIGHT(25), EIGHT(46), EIGHT(47), EIGHT(108), EIGHT(109) };
static const uint8_t last_bits[64] = { EIGHT(4), EIGHT(5), EIGHT(26), EIGHT(27), EIGHT(48), EIGHT(49), EIGHT(110), EIGHT(111) };
/* clang-format on */

/* The bit of each byte of `fifth` that is its place in eight, to bit 4 of the code. */
ALWAYS __m512i with_fifth(__m512i code, __m512i fifth)
{
    const __mmask64 set =
        _mm512_test_epi8_mask(fifth, _mm512_set1_epi64((long long)0x8040201008040201u));
    code = _mm512_and_si512(code, _mm512_set1_epi8(15));
    return _mm512_mask_add_epi8(code, set, code, _mm512_set1_epi8(16));
}

static void q5_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_q5_0))
    {
        const __m512i v = load512(b), w = load512(b + 24);
        const __m512i code = words_of(v, code_words, w);
        const __m512i first = _mm512_permutex2var_epi8(v, load512(first_bits), w),
                      last = _mm512_permutex2var_epi8(v, load512(last_bits), w);
        total = add_fours(with_fifth(code, first), with_fifth(_mm512_srli_epi16(code, 4), last),
                          halves_of(words_of(v, scale_words, w)), x, i, total);
    }
    return total;
}

STRIP_GEMV512(q5_0, 32, 256, 0)

const struct cn_kernels cn_q5_0_avx512 = { .gemv = q5_0_gemv_avx512, .few = q5_0_few_avx512 };

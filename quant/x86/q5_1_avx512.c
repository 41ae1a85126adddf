/* SPDX-License-Identifier: MIT
 *
 * Q5_1 for AVX-512.
 *
 *   | d f16 | m f16 | 4 bytes: fifth bits | 16 bytes: 32 x low 4 bits |        w = d * code + m
 *
 * Sixteen bytes of codes of four blocks meet in one vector (a permutation of two loads), so 128
 * bits of the sums are a block. Bytes of fifth bits are spread the same way and become a mask. The
 * addends meet the sums of the activations, in one lane of four.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, five terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q5_1.h"

extern const struct cn_kernels cn_q5_1_avx512;

/* Of four blocks, 12 words apart, in two loads: words of the codes, and of the scales four times
 * each; bytes of the fifth bits eight times each, of the first and last 16 columns. */
/* clang-format off */
#define EIGHT(i) (i), (i), (i), (i), (i), (i), (i), (i)
static const int16_t code_words[32] = { EVERY4(1, 4), EVERY4(1, 8), EVERY4(1, 16), EVERY4(1, 20), EVERY4(1, 44), EVERY4(1, 48), EVERY4(1, 56), EVERY4(1, 60) };
static const int16_t scale_words[32] = { 0, 0, 0, 0, 12, 12, 12, 12, 24, 24, 24, 24, 52, 52, 52, 52, 1, 1, 1, 1, 13, 13, 13, 13, 25, 25, 25, 25, 53, 53, 53, 53 };
static const uint8_t first_bits[64] = { EIGHT(4), EIGHT(5), EIGHT(28), EIGHT(29), EIGHT(52), EIGHT(53), EIGHT(108), EIGHT(109) };
static const uint8_t last_bits[64] = { EIGHT(6), EIGHT(7), EIGHT(30), EIGHT(31), EIGHT(54), EIGHT(55), EIGHT(110), EIGHT(111) };
/* clang-format on */

/* The bit of each byte of `fifth` that is its place in eight, to bit 4 of the code. */
ALWAYS __m512i with_fifth(__m512i code, __m512i fifth)
{
    const __mmask64 set =
        _mm512_test_epi8_mask(fifth, _mm512_set1_epi64((long long)0x8040201008040201u));
    code = _mm512_and_si512(code, _mm512_set1_epi8(15));
    return _mm512_mask_add_epi8(code, set, code, _mm512_set1_epi8(16));
}

static void q5_1_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, 0, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_q5_1))
    {
        const __m512i v = load512(b), w = load512(b + 32);
        const __m512i code = words_of(v, code_words, w);
        const __m512i first = _mm512_permutex2var_epi8(v, load512(first_bits), w),
                      last = _mm512_permutex2var_epi8(v, load512(last_bits), w);
        __m512i acc = _mm512_setzero_si512();
        acc = _mm512_dpbusd_epi32(acc, with_fifth(code, first), load512(x->q + 128 * i));
        acc = _mm512_dpbusd_epi32(acc, with_fifth(_mm512_srli_epi16(code, 4), last),
                                  load512(x->q + 128 * i + 64));
        const __m512i scales = words_of(v, scale_words, w);
        const __m512 m = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(scales, 1));
        total = _mm512_fmadd_ps(m, _mm512_load_ps(x->sum[i]), total);
        total = add_sums(acc, halves_of(scales), x->d[i], total);
    }
    return total;
}

STRIP_GEMV512(q5_1, 32, 256, 0)

const struct cn_kernels cn_q5_1_avx512 = { .gemv = q5_1_gemv_avx512, .few = q5_1_few_avx512 };

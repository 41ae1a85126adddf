/* SPDX-License-Identifier: MIT
 *
 * Q8_0 for AVX-512.
 *
 *   | d f16 | 32 bytes: signed codes |        w = d * code
 *
 * The first and the last 16 codes of four blocks meet in one vector each, so 128 bits of the sums
 * are a block. Codes become unsigned by 128, which is where the sums start. The three loads do not
 * overlap (see load_once).
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, three terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q8_0.h"

extern const struct cn_kernels cn_q8_0_avx512;

enum { OFFSET = 128 };

/* Of four blocks, 17 words apart, in two loads: words of the codes (the last four are loaded
 * apart), and of the scales, four times each. */
/* clang-format off */
static const int16_t first_words[32] = { EVERY4(1, 1), EVERY4(1, 5), EVERY4(1, 18), EVERY4(1, 22), EVERY4(1, 35), EVERY4(1, 39), EVERY4(1, 52), EVERY4(1, 56) };
static const int16_t last_words[32] = { EVERY4(1, 9), EVERY4(1, 13), EVERY4(1, 26), EVERY4(1, 30), EVERY4(1, 43), EVERY4(1, 47), EVERY4(1, 60) };
static const int16_t scale_words[32] = { 0, 0, 0, 0, 17, 17, 17, 17, 34, 34, 34, 34, 51, 51, 51, 51 };
/* clang-format on */

static void q8_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i sign = _mm512_set1_epi8((char)OFFSET);
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_q8_0))
    {
        const __m512i v = load_once(b), w = load_once(b + 64);
        const __m512i first = words_of(v, first_words, w);
        const __m512i last =
            _mm512_mask_set1_epi64(words_of(v, last_words, w), 0x80, (long long)load64(b + 128));
        total = add_fours(_mm512_xor_si512(first, sign), _mm512_xor_si512(last, sign),
                          halves_of(words_of(v, scale_words, w)), x, i, total);
    }
    return total;
}

STRIP_GEMV512(q8_0, 32, 256, 0)

const struct cn_kernels cn_q8_0_avx512 = { .gemv = q8_0_gemv_avx512, .few = q8_0_few_avx512 };

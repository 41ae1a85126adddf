/* SPDX-License-Identifier: MIT
 *
 * MXFP4 for AVX-512.
 *
 *   | exponent E, a byte | 16 bytes: 32 x 4-bit code |        w = level[code] * 2^(E - 128)
 *
 * Sixteen bytes of codes of four blocks meet in one vector (a permutation of two loads), so 128
 * bits of the sums are a block. vpermb makes codes levels plus 12, unsigned; it ignores what is
 * above six bits, and the table does not mind the other two. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a block.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/mxfp4.h"

extern const struct cn_kernels cn_mxfp4_avx512;

enum { OFFSET = 12 };

/* Of four blocks, 17 bytes apart, in two loads that do not overlap (see load_once): bytes of the
 * codes, and of the exponents, to four lanes each. */
/* clang-format off */
static const uint8_t code_bytes[64] = {
    EVERY16(1, 1), EVERY16(1, 18), EVERY16(1, 35), EVERY16(1, 52),
};
#define LANE(i) (i), (i), (i), (i)
#define LANES4(i) LANE(i), LANE(i), LANE(i), LANE(i)
static const uint8_t exponent_bytes[64] = { LANES4(0), LANES4(17), LANES4(34), LANES4(51) };
/* clang-format on */

static void mxfp4_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fours(x, c, OFFSET, to);
}

/* 2^(e - 128), the first two of them subnormal. */
ALWAYS __m512 powers(__m512i e)
{
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i small =
        _mm512_sllv_epi32(_mm512_set1_epi32(1 << 21), _mm512_min_epi32(e, _mm512_set1_epi32(2)));
    return _mm512_castsi512_ps(_mm512_max_epi32(normal, small));
}

ALWAYS __m512 step(const uint8_t *b, const struct lanes *x, __m512 total)
{
    const __m512i levels = _mm512_add_epi8(nibble_table(cn_mxfp4_levels), _mm512_set1_epi8(OFFSET));
    UNROLL for (int i = 0; i < 2; i++, b += 4 * sizeof(struct cn_block_mxfp4))
    {
        const __m512i v = load_once(b);
        const __m512i last = _mm512_castsi128_si512(_mm_cvtsi32_si128((int)load32(b + 64)));
        const __m512i code = _mm512_permutex2var_epi8(v, load512(code_bytes), last);
        const __m512i e = _mm512_and_si512(_mm512_permutexvar_epi8(load512(exponent_bytes), v),
                                           _mm512_set1_epi32(255));
        total = add_fours(_mm512_permutexvar_epi8(code, levels),
                          _mm512_permutexvar_epi8(_mm512_srli_epi16(code, 4), levels), powers(e), x,
                          i, total);
    }
    return total;
}

STRIP_GEMV512(mxfp4, 32, 256, 0)

const struct cn_kernels cn_mxfp4_avx512 = { .gemv = mxfp4_gemv_avx512, .few = mxfp4_few_avx512 };

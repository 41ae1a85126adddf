/* SPDX-License-Identifier: MIT
 *
 * TQ1_0 for AVX-512.
 *
 *   | 48 bytes: five digits each | 4 bytes: four digits each | d f16 |        w = d * (digit - 1)
 *
 * The 52 bytes are looked up in two planes of 256 bytes: digits 0 to 3, two bits each, and digit 4.
 * Vectors of one byte per column are picked from both and shifted, so that a lane of the sums has
 * 16 columns. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group of 32.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/tq1_0.h"

extern const struct cn_kernels cn_tq1_0_avx512;

enum { OFFSET = 1, BYTES = 52 };

/* clang-format off */
#define DIGIT(v, power) (((v) * (power) & 255) * 3 >> 8)
#define FOUR_DIGITS(v) DIGIT(v, 1) | DIGIT(v, 3) << 2 | DIGIT(v, 9) << 4 | DIGIT(v, 27) << 6
#define LAST_DIGIT(v) DIGIT(v, 81)
#define ALL4(f, v) f(v), f((v) + 1), f((v) + 2), f((v) + 3)
#define ALL16(f, v) ALL4(f, v), ALL4(f, (v) + 4), ALL4(f, (v) + 8), ALL4(f, (v) + 12)
#define ALL64(f, v) ALL16(f, v), ALL16(f, (v) + 16), ALL16(f, (v) + 32), ALL16(f, (v) + 48)
#define ALL256(f) ALL64(f, 0), ALL64(f, 64), ALL64(f, 128), ALL64(f, 192)
static const _Alignas(64) uint8_t digits[2][256] = { { ALL256(FOUR_DIGITS) }, { ALL256(LAST_DIGIT) } };

/* The byte of column e; of the second plane (from 64 on) for digit 4. */
#define PLACE(e) \
    (e) < 160 ? (e) % 32 + (e) / 128 * 64 : \
    (e) < 240 ? 32 + (e) % 16 + (e) / 224 * 64 : 48 + (e) % 4
/* Vector s: columns 16 l + 4 s to 16 l + 4 s + 3 in lane l. */
#define PLACES(s, l) ALL4(PLACE, 16 * (l) + 4 * (s))
#define PLACES4(s, l) PLACES(s, l), PLACES(s, (l) + 1), PLACES(s, (l) + 2), PLACES(s, (l) + 3)
static const _Alignas(64) uint8_t place[4][64] = {
    { PLACES4(0, 0), PLACES4(0, 4), PLACES4(0, 8), PLACES4(0, 12) },
    { PLACES4(1, 0), PLACES4(1, 4), PLACES4(1, 8), PLACES4(1, 12) },
    { PLACES4(2, 0), PLACES4(2, 4), PLACES4(2, 8), PLACES4(2, 12) },
    { PLACES4(3, 0), PLACES4(3, 4), PLACES4(3, 8), PLACES4(3, 12) },
};
#define DWORDS4(a) DWORD(a), DWORD((a) + 4), DWORD((a) + 8), DWORD((a) + 12)
#define DWORDS(s) DWORDS4(s), DWORDS4(16 + (s)), DWORDS4(32 + (s)), DWORDS4(48 + (s))
static const uint8_t order[256] = { DWORDS(0), DWORDS(1), DWORDS(2), DWORDS(3) };
/* clang-format on */

static void tq1_0_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_runs(order, x, c, OFFSET, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_tq1_0 *b = (const void *)bytes;
    const __m512i v = _mm512_maskz_loadu_epi8((1ull << BYTES) - 1, b);
    const __mmask64 mask[1] = { _mm512_movepi8_mask(v) };
    const __m512i four = lookup8(digits[0], v, mask), last = lookup8(digits[1], v, mask);
    __m512i acc[2] = { load512(x->start[0]), _mm512_setzero_si512() };
    UNROLL for (int s = 0; s < 4; s++)
    {
        const __m512i shift = _mm512_setr_epi32(0, 0, 2, 2, 4, 4, 6, 6, 0, 0, 0, 2, 4, 6, 0, 2 * s);
        const __m512i digit =
            _mm512_srlv_epi32(_mm512_permutex2var_epi8(four, load512(place[s]), last), shift);
        acc[s % 2] = _mm512_dpbusd_epi32(acc[s % 2], _mm512_and_si512(digit, _mm512_set1_epi8(3)),
                                         load512(x->q + 64 * s));
    }
    return add_sums(_mm512_add_epi32(acc[0], acc[1]), halves_at(&b->d), x->d[0], total);
}

STRIP_GEMV512(tq1_0, 256, 256, 0)

const struct cn_kernels cn_tq1_0_avx512 = { .gemv = tq1_0_gemv_avx512, .few = tq1_0_few_avx512 };

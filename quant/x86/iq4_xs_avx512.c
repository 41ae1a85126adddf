/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for AVX-512.
 *
 *   | d f16 | u16 high scale bits | 4 bytes low scale bits | 128 bytes: 256 x 4-bit code |
 *
 * Eight bytes of codes of eight groups meet in one vector, so a qword of the sums is a group.
 * vpermb makes them levels plus 128, unsigned; it ignores what is above six bits, and the table
 * does not mind the other two. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_xs.h"

extern const struct cn_kernels cn_iq4_xs_avx512;

enum { OFFSET = 128 };

/* Runs of columns, by vector. */
static const uint8_t order[256] = { RUN(0), RUN(2), RUN(1), RUN(3) };

static void iq4_xs_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_runs(order, x, c, OFFSET, to);
}

/* The group scales without d, two lanes each. The first eight bytes of a block are in every qword:
 * low bits are at 32 + 4 g, high bits at 16 + 2 g. */
ALWAYS __m512 scales_of(const struct cn_block_iq4_xs *b)
{
    const __m512i v = _mm512_set1_epi64((long long)load64(b));
    const __m512i lo = _mm512_multishift_epi64_epi8(
        _mm512_setr_epi64(0x0000002000000020, 0x0000002400000024, 0x0000002800000028,
                          0x0000002c0000002c, 0x0000003000000030, 0x0000003400000034,
                          0x0000003800000038, 0x0000003c0000003c),
        v);
    const __m512i hi = _mm512_multishift_epi64_epi8(
        _mm512_setr_epi64(0x0000000c0000000c, 0x0000000e0000000e, 0x0000001000000010,
                          0x0000001200000012, 0x0000001400000014, 0x0000001600000016,
                          0x0000001800000018, 0x0000001a0000001a),
        v);
    const __m512i code =
        _mm512_and_si512(select_bits(_mm512_set1_epi32(15), lo, hi), _mm512_set1_epi32(63));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(code, _mm512_set1_epi32(32)));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_iq4_xs *b = (const void *)bytes;
    const __m512i levels =
        _mm512_xor_si512(nibble_table(cn_iq4_levels), _mm512_set1_epi8((char)OFFSET));
    const __m512i v = load512(b->q), w = load512(b->q + 64);
    const __m512i first =
                      _mm512_permutex2var_epi64(v, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), w),
                  last =
                      _mm512_permutex2var_epi64(v, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), w);
    __m512i acc = load512(x->start[0]);
    acc = _mm512_dpbusd_epi32(acc, _mm512_permutexvar_epi8(first, levels), load512(x->q));
    acc = _mm512_dpbusd_epi32(acc, _mm512_permutexvar_epi8(_mm512_srli_epi16(first, 4), levels),
                              load512(x->q + 64));
    acc = _mm512_dpbusd_epi32(acc, _mm512_permutexvar_epi8(last, levels), load512(x->q + 128));
    acc = _mm512_dpbusd_epi32(acc, _mm512_permutexvar_epi8(_mm512_srli_epi16(last, 4), levels),
                              load512(x->q + 192));
    return add_sums(acc, _mm512_mul_ps(scales_of(b), halves_at(&b->d)), x->d[0], total);
}

STRIP_GEMV512(iq4_xs, 256, 256, 0)

const struct cn_kernels cn_iq4_xs_avx512 = { .gemv = iq4_xs_gemv_avx512, .few = iq4_xs_few_avx512 };

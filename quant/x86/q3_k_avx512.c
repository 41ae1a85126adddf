/* SPDX-License-Identifier: MIT
 *
 * Q3_K for AVX-512.
 *
 *   | 32 bytes: high bits | 64 bytes: low 2 bits | 12 bytes: 16 x 6-bit scale | d f16 |
 *
 * Two vgf2p8affineqb each put two codes of three bits into a byte; they are multiplied where they
 * lie (1 and 8 times the code; the scales make up for it). Rotations of dwords bring each of 16
 * groups into one lane of the sums. The offset is where the sums start.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, one term a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q3_k.h"

extern const struct cn_kernels cn_q3_k_avx512;

enum { OFFSET = 4 };

static void q3_k_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fields(x, c, OFFSET, _mm_setr_epi32(1, 8, 1, 8), to);
}

/* Two fields of two bits from `from` on to bits 0 and 3, as far as they go; single bits to 2, 5. */
#define LOW(from)                                                                         \
    (long long)(AFFINE_BIT(from, 0) | AFFINE_BIT(from + 1, 1) | AFFINE_BIT(from + 2, 3) | \
                AFFINE_BIT(from + 3, 4))
#define HIGH(from) (long long)(AFFINE_BIT(from, 2) | AFFINE_BIT(from + 1, 5))

/* Scales without d, lane = group, in the lanes' order. Bytes 0-7 are in both qwords of `lo`, bytes
 * 8-11 in all dwords of `hi`. */
ALWAYS __m512 scales_of(const struct cn_block_q3_k *b)
{
    const __m128i lo = _mm_multishift_epi64_epi8(
        _mm_setr_epi8(0, 16, 32, 48, 8, 24, 40, 56, 4, 20, 36, 52, 12, 28, 44, 60),
        _mm_set1_epi64x((long long)load64(b->scales)));
    const __m128i hi = _mm_multishift_epi64_epi8(
        _mm_setr_epi8(60, 12, 62, 14, 4, 20, 6, 22, 0, 16, 2, 18, 8, 24, 10, 26),
        _mm_set1_epi32((int)load32(b->scales + 8)));
    const __m128i code =
        _mm_and_si128(_mm_ternarylogic_epi32(_mm_set1_epi8(15), lo, hi, 0xca), _mm_set1_epi8(63));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_sub_epi8(code, _mm_set1_epi8(32))));
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_q3_k *b = (const void *)bytes;
    const __m512i high01 = _mm512_setr_epi64(HIGH(0), HIGH(0), HIGH(0), HIGH(0), HIGH(4), HIGH(4),
                                             HIGH(4), HIGH(4)),
                  high23 = _mm512_setr_epi64(HIGH(2), HIGH(2), HIGH(2), HIGH(2), HIGH(6), HIGH(6),
                                             HIGH(6), HIGH(6));
    const __m512i v = load512(b->q), hi = _mm512_broadcast_i64x4(load256(b->hi));
    const __m512i code01 =
        _mm512_or_si512(affine(v, _mm512_set1_epi64(LOW(0))), affine(hi, high01));
    const __m512i code23 =
        _mm512_or_si512(affine(v, _mm512_set1_epi64(LOW(4))), affine(hi, high23));
    const __m512i acc =
        dot_fields(code01, code23, _mm_setr_epi32(0x07070707, 0x38383838, 0x07070707, 0x38383838),
                   x->q, load512(x->start[0]));
    return add_sums(acc, _mm512_mul_ps(scales_of(b), halves_at(&b->d)), x->d[0], total);
}

STRIP_GEMV512(q3_k, 256, 256, 0)

const struct cn_kernels cn_q3_k_avx512 = { .gemv = q3_k_gemv_avx512, .few = q3_k_few_avx512 };

/* SPDX-License-Identifier: MIT
 *
 * Q2_K for AVX-512.
 *
 *   | 16 bytes: 4-bit scale, 4-bit min | 64 bytes: 256 x 2-bit code | d f16 | dmin f16 |
 *
 * Codes are multiplied where they lie in their bytes (1, 4, 16, 64 times the code; the scales make
 * up for it). Three rotations of dwords bring each of 16 groups into one lane of the sums.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, two terms a group.
 */
#include "quant/x86/gemv_strips_avx512.h"

#include "quant/ref/q2_k.h"

extern const struct cn_kernels cn_q2_k_avx512;

static void q2_k_arrange_avx512(const struct cn_act *x, int64_t c, struct lanes *to)
{
    arrange_fields(x, c, 0, _mm_setr_epi32(1, 4, 16, 64), to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct lanes *x, __m512 total)
{
    const struct cn_block_q2_k *b = (const void *)bytes;
    const __m512i v = load512(b->q);
    const __m512i acc =
        dot_fields(v, v, _mm_setr_epi32(0x03030303, 0x0c0c0c0c, 0x30303030, (int)0xc0c0c0c0), x->q,
                   _mm512_setzero_si512());
    const __m512i s = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(
        load128(b->scales), _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15)));
    const __m512 scale = _mm512_cvtepi32_ps(_mm512_and_si512(s, _mm512_set1_epi32(15))),
                 min = _mm512_cvtepi32_ps(_mm512_srli_epi32(s, 4));
    total =
        _mm512_fnmadd_ps(_mm512_mul_ps(min, halves_at(&b->dmin)), _mm512_load_ps(x->sum[0]), total);
    return add_sums(acc, _mm512_mul_ps(scale, halves_at(&b->d)), x->d[0], total);
}

STRIP_GEMV512(q2_k, 256, 256, 0)

const struct cn_kernels cn_q2_k_avx512 = { .gemv = q2_k_gemv_avx512, .few = q2_k_few_avx512 };

/* SPDX-License-Identifier: MIT
 *
 * TQ1_0 in registers of 256 bits: what its tiers share.
 *
 *   | 48 bytes: five digits each | 4 bytes: four digits each | d f16 |        w = d * (digit - 1)
 *
 * A byte is a fraction in base 3: tripling it (two additions, overflow dropped) brings the next
 * digit to the front, and the front digit is the number of thirds the byte has reached (two
 * compares). Adding 128 once turns these into signed compares and commutes with tripling. The
 * offset meets the sums of the activations, lane = 32 columns.
 */
#ifndef CN_TQ1_0_AVX2_H
#define CN_TQ1_0_AVX2_H

#include "quant/x86/simd_avx2.h"

#include "quant/ref/tq1_0.h"

ALWAYS __m256i tripled(__m256i v)
{
    return _mm256_add_epi8(v, _mm256_add_epi8(v, v));
}

/* First digits of bytes that had 128 added: v - 128 reaches 1/3 of 256 from 86 on, 2/3 from 171. */
ALWAYS __m256i first_digit(__m256i v)
{
    const __m256i one = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(85 - 128));
    const __m256i two = _mm256_cmpgt_epi8(v, _mm256_set1_epi8(170 - 128));
    return _mm256_abs_epi8(_mm256_add_epi8(one, two));
}

/* The 256 codes, in order. */
ALWAYS void codes_of(const struct cn_block_tq1_0 *b, __m256i *code)
{
    const __m256i half = _mm256_set1_epi8((char)128);
    __m256i v = _mm256_xor_si256(load256(b->q), half);
    UNROLL for (int n = 0; n < 5; n++)
    {
        code[n] = first_digit(v);
        v = tripled(v);
    }
    /* Bytes 32-47: 16 columns a digit, so two digits a vector; the fifth shares one with ... */
    __m256i w = _mm256_xor_si256(load_twice(b->q + 32), half);
    w = _mm256_blend_epi32(w, tripled(w), 0xf0);
    code[5] = first_digit(w);
    w = tripled(tripled(w));
    code[6] = first_digit(w);
    w = tripled(tripled(w));
    /* ... the four digits of bytes 48-51, each 32 bits times a power of three. */
    const __m128i last = _mm_set1_epi32((int)load32(b->q + 48)),
                  power = _mm_setr_epi32(0x00010001, 0x00030003, 0x00090009, 0x001b001b),
                  even = _mm_set1_epi16(0x00ff);
    const __m128i product =
        _mm_or_si128(_mm_and_si128(_mm_mullo_epi16(_mm_and_si128(last, even), power), even),
                     _mm_mullo_epi16(_mm_andnot_si128(even, last), power));
    code[7] = first_digit(
        _mm256_inserti128_si256(w, _mm_xor_si128(product, _mm256_castsi256_si128(half)), 1));
}

ALWAYS void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_tq1_0 *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            __m256i code[8];
            codes_of(b, code);
            __m256 acc[2];
            acc[0] = _mm256_sub_ps(_mm256_setzero_ps(), _mm256_loadu_ps(x->sum32 + c / 32));
            acc[1] = _mm256_setzero_ps();
            UNROLL for (int g = 0; g < 8; g++) acc[g % 2] =
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_u8(code[g], load256(x->q + c + 32 * g))),
                                _mm256_broadcast_ss(x->d + c / 32 + g), acc[g % 2]);
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), _mm256_add_ps(acc[0], acc[1]),
                                    total);
        }
        y[r] = sum_ps(total);
    }
}

#endif

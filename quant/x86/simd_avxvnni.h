/* SPDX-License-Identifier: MIT
 *
 * What the avxvnni kernels share: all that avx2 has, and products of bytes by vpdpbusd. To be
 * included before headers of avx2, which multiply by what they find.
 */
#ifndef CN_SIMD_AVXVNNI_H
#define CN_SIMD_AVXVNNI_H

#ifndef __AVXVNNI__
#error "simd_avxvnni.h needs the flags of the avxvnni tier"
#endif
#ifdef __AVX512F__
#error "the avxvnni tier must not touch AVX-512: its machines have none"
#endif

#define CN_X86_PRODUCTS
#define CN_X86_ADD_DOT
#include "quant/x86/simd_avx2.h"

/* acc and the products of unsigned bytes and activations, summed by four. VEX-encoded, whatever
 * else the compiler was told. */
ALWAYS __m256i add_dot_u8(__m256i acc, __m256i codes, __m256i q)
{
    return _mm256_dpbusd_avx_epi32(acc, codes, q);
}

/* ---- those of simd_avx2.h, of codes of any size ---- */

ALWAYS __m256i dot_u8(__m256i codes, __m256i q)
{
    return add_dot_u8(_mm256_setzero_si256(), codes, q);
}

ALWAYS __m256i dot_two_u8(__m256i lo, __m256i hi, __m256i q_lo, __m256i q_hi)
{
    return add_dot_u8(dot_u8(lo, q_lo), hi, q_hi);
}

ALWAYS __m256i dot_two(__m256i lo, __m256i hi, __m256i q_lo, __m256i q_hi)
{
    return dot_two_u8(lo, hi, q_lo, q_hi);
}

/* Signed weights have 128 added: the sums of the activations are at hand, and no sign is moved. */
enum { SIGNED_ZERO = 128 };

ALWAYS __m256i signed_codes(__m256i w)
{
    return _mm256_xor_si256(w, _mm256_set1_epi8((char)SIGNED_ZERO));
}

ALWAYS __m256i dot_signed(__m256i w, __m256i q)
{
    return dot_u8(w, q);
}

ALWAYS __m256i dot_two_signed(__m256i lo, __m256i hi, __m256i q_lo, __m256i q_hi, __m256i size_lo,
                              __m256i size_hi)
{
    (void)size_lo;
    (void)size_hi;
    return dot_two_u8(lo, hi, q_lo, q_hi);
}

#endif

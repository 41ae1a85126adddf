/* SPDX-License-Identifier: MIT
 *
 * What the avxvnni kernels share: all that avx2 has.
 */
#ifndef CN_SIMD_AVXVNNI_H
#define CN_SIMD_AVXVNNI_H

#ifndef __AVXVNNI__
#error "simd_avxvnni.h needs the flags of the avxvnni tier"
#endif
#ifdef __AVX512F__
#error "the avxvnni tier must not touch AVX-512: its machines have none"
#endif

#include "quant/x86/simd_avx2.h"

/* acc and the products of unsigned bytes and activations, summed by four. VEX-encoded, whatever
 * else the compiler was told. */
ALWAYS __m256i add_dot_u8(__m256i acc, __m256i codes, __m256i q)
{
    return _mm256_dpbusd_avx_epi32(acc, codes, q);
}

#endif

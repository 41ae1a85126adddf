/* SPDX-License-Identifier: MIT
 *
 * What the avx512 kernels share.
 */
#ifndef CN_SIMD_AVX512_H
#define CN_SIMD_AVX512_H

#if !defined(__AVX512VNNI__) || !defined(__AVX512VBMI__) || !defined(__GFNI__)
#error "simd_avx512.h needs the flags of the avx512 tier"
#endif

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))
/* Arrays of vectors live in registers only if every loop over them is unrolled. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

ALWAYS __m512i load512(const void *p)
{
    return _mm512_loadu_si512(p);
}

/* Four bytes to every lane. */
ALWAYS __m512i broadcast4(const void *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}

#endif

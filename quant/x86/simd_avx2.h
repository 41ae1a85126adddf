/* SPDX-License-Identifier: MIT
 *
 * What the avx2 kernels share.
 */
#ifndef CN_SIMD_AVX2_H
#define CN_SIMD_AVX2_H

#ifndef __AVX2__
#error "simd_avx2.h needs the flags of the avx2 tier"
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

ALWAYS __m256i load256(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

ALWAYS __m128i load128(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

ALWAYS uint32_t load32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS uint64_t load64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS uint16_t load16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The f16 at p. */
ALWAYS float half_at(const void *p)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(load16(p))));
}

ALWAYS float sum_ps(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* How far ahead of its row a gemv asks memory for weights; see docs/SPEED.md. Prefetches past the
 * end of a mapping are dropped by the CPU, never faulted. */
enum { PREFETCH_BYTES = 2048 };

/* Asks for the cache lines of the n bytes that lie PREFETCH_BYTES behind p. n is a constant. */
ALWAYS void prefetch(const uint8_t *p, const int n)
{
    UNROLL for (int i = 0; i < n; i += 64)
        _mm_prefetch((const char *)(p + PREFETCH_BYTES + i), _MM_HINT_T0);
}

/* Products of unsigned bytes (<= 128) and activations, summed by four to 32 bits. */
ALWAYS __m256i dot_u8(__m256i codes, __m256i q)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, q), _mm256_set1_epi16(1));
}

/* Products of signed bytes and activations: the sign goes to the activation. */
ALWAYS __m256i dot_i8(__m256i w, __m256i q)
{
    return dot_u8(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
}

#endif

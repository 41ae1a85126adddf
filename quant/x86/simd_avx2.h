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

/* Row r of a matrix. */
ALWAYS const void *row_at(const void *w, int64_t r, size_t row_bytes)
{
    return (const uint8_t *)w + (size_t)r * row_bytes;
}

/* 16 bytes in each half. */
ALWAYS __m256i load_pair(const void *lo, const void *hi)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load128(lo)), load128(hi), 1);
}

/* The same 16 bytes in both halves. */
ALWAYS __m256i load_twice(const void *p)
{
    return _mm256_broadcastsi128_si256(load128(p));
}

/* The f16 at the start of eight blocks of `stride` (at least 16) bytes: word i is blended in from a
 * load that begins 2 i bytes early, so that only the blocks are read and no lane is moved. */
ALWAYS __m256 halves_at(const uint8_t *p, const int stride)
{
    __m128i v = load128(p);
    v = _mm_blend_epi16(v, load128(p + 1 * (stride - 2)), 0x02);
    v = _mm_blend_epi16(v, load128(p + 2 * (stride - 2)), 0x04);
    v = _mm_blend_epi16(v, load128(p + 3 * (stride - 2)), 0x08);
    v = _mm_blend_epi16(v, load128(p + 4 * (stride - 2)), 0x10);
    v = _mm_blend_epi16(v, load128(p + 5 * (stride - 2)), 0x20);
    v = _mm_blend_epi16(v, load128(p + 6 * (stride - 2)), 0x40);
    v = _mm_blend_epi16(v, load128(p + 7 * (stride - 2)), 0x80);
    return _mm256_cvtph_ps(v);
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

/* Shuffle of bytes: word 2g of each half's eight words in the low, word 2g + 1 in the high half. */
ALWAYS __m256i pair_of_words(const int g)
{
    return _mm256_setr_m128i(_mm_set1_epi16((short)(0x0100 + 0x0404 * g)),
                             _mm_set1_epi16((short)(0x0302 + 0x0404 * g)));
}

/* Low nibbles of 16 bytes, then their high nibbles. */
ALWAYS __m256i nibbles(const void *p)
{
    const __m128i v = load128(p);
    return _mm256_and_si256(
        _mm256_inserti128_si256(_mm256_castsi128_si256(v), _mm_srli_epi16(v, 4), 1),
        _mm256_set1_epi8(15));
}

/* Puts the codes of columns c .. c + 31 into a panel. */
ALWAYS void put_codes(uint8_t *codes, size_t chunk_stride, int64_t c, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)(codes + (size_t)(c / 64) * chunk_stride + c % 64), v);
}

/* Element i of each half in all of that half. */
#define LANE_BROADCAST(v, i) _mm256_permute_ps(v, (i)*0x55)

#endif

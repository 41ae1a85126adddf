/* SPDX-License-Identifier: MIT
 *
 * The intrinsics of AVX-512 in C, for a CPU without them: the Makefile compiles the kernels of the
 * tiers avx512 and amx once more behind this header, into build/.../tests/carnot_avx512_in_c, so
 * that their results can be checked on any machine with AVX2 (the tiles of AMX: x86_emulator.c).
 * What measures the peak of a tier is instructions still. Most are SIMDe's (Debian's libsimde-dev);
 * what its release lacks is below. Semantics: Intel, Intrinsics Guide.
 */
#ifndef CN_TESTS_AVX512_IN_C_H
#define CN_TESTS_AVX512_IN_C_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/gfni.h>

/* What quant/x86/simd_avx512.h and simd_amx.h ask for. */
#define __AVX512VNNI__ 1
#define __AVX512VBMI__ 1
#define __AVX512BF16__ 1
#define __GFNI__       1
/* For quant/x86/gemv_strips_avx512.h. */
#define BY_FORMAT static __attribute__((noipa, unused))

#define IN_C static inline __attribute__((always_inline, unused))

/* A function of one vector: each lane of `to` is EXPRESSION of the lane v of `from`. */
#define LANES(name, to_vector, to_lane, from_vector, from_lane, expression) \
    IN_C to_vector name(from_vector from)                                   \
    {                                                                       \
        enum { N = sizeof from / sizeof(from_lane) };                       \
        from_lane in[N];                                                    \
        to_lane out[sizeof(to_vector) / sizeof(to_lane)];                   \
        to_vector to;                                                       \
        memcpy(in, &from, sizeof in);                                       \
        for (size_t i = 0; i < sizeof out / sizeof *out; i++) {             \
            const from_lane v = in[i];                                      \
            out[i] = expression;                                            \
        }                                                                   \
        memcpy(&to, out, sizeof to);                                        \
        return to;                                                          \
    }
LANES(cn_cvtepi32_ps, __m512, float, __m512i, int32_t, (float)v)
LANES(cn_cvtepi32_epi8, __m128i, int8_t, __m512i, int32_t, (int8_t)(uint32_t)v)
LANES(cn_cvtepi32_epi16, __m256i, int16_t, __m512i, int32_t, (int16_t)(uint32_t)v)
LANES(cn_cvtepu8_epi32, __m512i, int32_t, __m128i, uint8_t, v)
LANES(cn_cvtepi8_epi32, __m512i, int32_t, __m128i, int8_t, v)
LANES(cn_cvtepu8_epi16, __m512i, int16_t, __m256i, uint8_t, v)
LANES(cn_cvtepu16_epi32, __m512i, int32_t, __m256i, uint16_t, v)
LANES(cn_cvtepi16_epi32, __m512i, int32_t, __m256i, int16_t, v)
LANES(cn_cvtepu32_epi64, __m512i, int64_t, __m256i, uint32_t, v)
/* Beyond the range of int32_t: INT32_MIN. */
LANES(cn_cvtps_epi32, __m512i, int32_t, __m512, float,
      v >= -2147483648.0F && v < 2147483648.0F ? (int32_t)lrintf(v) : INT32_MIN)
#undef LANES
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps cn_cvtepi32_ps
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtepi32_epi8 cn_cvtepi32_epi8
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16 cn_cvtepi32_epi16
#undef _mm512_cvtepu8_epi32
#define _mm512_cvtepu8_epi32 cn_cvtepu8_epi32
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32 cn_cvtepi8_epi32
#undef _mm512_cvtepu8_epi16
#define _mm512_cvtepu8_epi16 cn_cvtepu8_epi16
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32 cn_cvtepu16_epi32
#undef _mm512_cvtepi16_epi32
#define _mm512_cvtepi16_epi32 cn_cvtepi16_epi32
#undef _mm512_cvtepu32_epi64
#define _mm512_cvtepu32_epi64 cn_cvtepu32_epi64
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 cn_cvtps_epi32

/* A reduction: `start`, then EXPRESSION of the sum so far s and each lane v. */
#define REDUCE(name, lane, vector, start, expression)         \
    IN_C lane name(vector from)                               \
    {                                                         \
        lane in[sizeof from / sizeof(lane)], s = start;       \
        memcpy(in, &from, sizeof in);                         \
        for (size_t i = 0; i < sizeof in / sizeof *in; i++) { \
            const lane v = in[i];                             \
            s = expression;                                   \
        }                                                     \
        return s;                                             \
    }
REDUCE(cn_reduce_max_epi32, int32_t, __m512i, INT32_MIN, s > v ? s : v)
REDUCE(cn_reduce_or_epi64, int64_t, __m512i, 0, s | v)
#undef REDUCE
/* Halves of halves, the order that compilers give it. */
IN_C float cn_reduce_add_ps(__m512 from)
{
    float v[16];
    memcpy(v, &from, sizeof v);
    for (int n = 8; n; n /= 2)
        for (int i = 0; i < n; i++)
            v[i] += v[i + n];
    return v[0];
}
#undef _mm512_reduce_add_ps
#define _mm512_reduce_add_ps cn_reduce_add_ps
#undef _mm512_reduce_max_epi32
#define _mm512_reduce_max_epi32 cn_reduce_max_epi32
#undef _mm512_reduce_or_epi64
#define _mm512_reduce_or_epi64 cn_reduce_or_epi64

IN_C __m512 cn_cvtph_ps(__m256i v)
{
    return _mm512_castsi512_ps(_mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_castps_si256(_mm256_cvtph_ps(_mm256_castsi256_si128(v)))),
        _mm256_castps_si256(_mm256_cvtph_ps(_mm256_extracti128_si256(v, 1))), 1));
}
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps cn_cvtph_ps

#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(v, half) \
    _mm256_castsi256_ps(_mm512_extracti64x4_epi64(_mm512_castps_si512(v), half))
#undef _mm512_shuffle_epi32
#define _mm512_shuffle_epi32(v, order) \
    _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(v), _mm512_castsi512_ps(v), order))

IN_C __m512i cn_srai_epi32(__m512i v, unsigned by)
{
    int32_t lanes[16];
    memcpy(lanes, &v, sizeof v);
    for (int i = 0; i < 16; i++)
        lanes[i] >>= by < 31 ? by : 31;
    memcpy(&v, lanes, sizeof v);
    return v;
}
#undef _mm512_srai_epi32
#define _mm512_srai_epi32 cn_srai_epi32

/* Masked loads and stores touch the lanes that are asked for alone. */
IN_C void cn_masked_copy(void *to, const void *from, uint64_t mask, size_t lane_bytes)
{
    for (size_t i = 0; mask >> i; i++) {
        if (mask >> i & 1)
            memcpy((uint8_t *)to + i * lane_bytes, (const uint8_t *)from + i * lane_bytes,
                   lane_bytes);
        if (i == 63)
            return;
    }
}
IN_C __m512 cn_maskz_loadu_ps(__mmask16 mask, const void *from)
{
    __m512 v = _mm512_setzero_ps();
    cn_masked_copy(&v, from, mask, 4);
    return v;
}
IN_C __m512i cn_maskz_loadu_epi8(__mmask64 mask, const void *from)
{
    __m512i v = _mm512_setzero_si512();
    cn_masked_copy(&v, from, mask, 1);
    return v;
}
IN_C __m256i cn_256_maskz_loadu_epi16(__mmask16 mask, const void *from)
{
    __m256i v = _mm256_setzero_si256();
    cn_masked_copy(&v, from, mask, 2);
    return v;
}
IN_C void cn_mask_storeu_ps(void *to, __mmask16 mask, __m512 v)
{
    cn_masked_copy(to, &v, mask, 4);
}
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps cn_maskz_loadu_ps
#undef _mm512_maskz_loadu_epi8
#define _mm512_maskz_loadu_epi8 cn_maskz_loadu_epi8
#undef _mm256_maskz_loadu_epi16
#define _mm256_maskz_loadu_epi16 cn_256_maskz_loadu_epi16
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps cn_mask_storeu_ps

/* The lowest lanes in turn to those that are asked for. */
IN_C __m512i cn_maskz_expand_epi32(__mmask16 mask, __m512i v)
{
    int32_t in[16], out[16] = { 0 };
    memcpy(in, &v, sizeof v);
    for (int i = 0, n = 0; i < 16; i++)
        if (mask >> i & 1)
            out[i] = in[n++];
    memcpy(&v, out, sizeof v);
    return v;
}
#undef _mm512_maskz_expand_epi32
#define _mm512_maskz_expand_epi32 cn_maskz_expand_epi32

IN_C __m256i cn_256_maskz_slli_epi16(__mmask16 mask, __m256i v, unsigned by)
{
    uint16_t lanes[16];
    memcpy(lanes, &v, sizeof v);
    for (int i = 0; i < 16; i++)
        lanes[i] = (uint16_t)(mask >> i & 1 && by < 16 ? lanes[i] << by : 0);
    memcpy(&v, lanes, sizeof v);
    return v;
}
#undef _mm256_maskz_slli_epi16
#define _mm256_maskz_slli_epi16 cn_256_maskz_slli_epi16

/* The release's macro of this name takes four arguments. */
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 simde_mm512_madd_epi16

IN_C __m512i cn_shuffle_i32x4(__m512i a, __m512i b, int order)
{
    __m128i in[2][4], out[4];
    memcpy(in[0], &a, sizeof a);
    memcpy(in[1], &b, sizeof b);
    for (int i = 0; i < 4; i++)
        out[i] = in[i / 2][order >> 2 * i & 3];
    memcpy(&a, out, sizeof a);
    return a;
}
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4 cn_shuffle_i32x4
#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4(a, b, order) \
    _mm512_castsi512_ps(cn_shuffle_i32x4(_mm512_castps_si512(a), _mm512_castps_si512(b), order))

/* Rounded to nearest even; what has no normal bf16 becomes a zero of its sign. */
IN_C uint16_t cn_to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (!(bits & 0x7f800000))
        return (uint16_t)(bits >> 16 & 0x8000);
    if (f != f)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
IN_C __m512i cn_cvtne2ps_pbh(__m512 hi, __m512 lo)
{
    float in[32];
    uint16_t out[32];
    __m512i v;
    memcpy(in, &lo, sizeof lo);
    memcpy(in + 16, &hi, sizeof hi);
    for (int i = 0; i < 32; i++)
        out[i] = cn_to_bf16(in[i]);
    memcpy(&v, out, sizeof v);
    return v;
}
#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh cn_cvtne2ps_pbh

/* Barriers name registers that are not there. */
#define __asm__(...)

#undef _cvtu64_mask64
#define _cvtu64_mask64(bits) ((__mmask64)(bits))

#endif

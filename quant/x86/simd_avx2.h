/* SPDX-License-Identifier: MIT
 *
 * What the avx2 kernels share.
 */
#ifndef CN_SIMD_AVX2_H
#define CN_SIMD_AVX2_H

#ifndef __AVX2__
#error "simd_avx2.h needs the flags of the avx2 tier"
#endif

#include "quant/simd.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

ALWAYS __m256i load256(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

ALWAYS __m128i load128(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

ALWAYS void store256(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
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

/* The 16 bits at the start of each of eight blocks of `stride` (at least 16) bytes: word i is
 * blended in from a load that begins 2 i bytes early, so that only the blocks are read and no lane
 * is moved. */
ALWAYS __m128i words_at(const uint8_t *p, const int stride)
{
    __m128i v = load128(p);
    v = _mm_blend_epi16(v, load128(p + 1 * (stride - 2)), 0x02);
    v = _mm_blend_epi16(v, load128(p + 2 * (stride - 2)), 0x04);
    v = _mm_blend_epi16(v, load128(p + 3 * (stride - 2)), 0x08);
    v = _mm_blend_epi16(v, load128(p + 4 * (stride - 2)), 0x10);
    v = _mm_blend_epi16(v, load128(p + 5 * (stride - 2)), 0x20);
    v = _mm_blend_epi16(v, load128(p + 6 * (stride - 2)), 0x40);
    return _mm_blend_epi16(v, load128(p + 7 * (stride - 2)), 0x80);
}

/* The same of two f16 each. Reads the blocks only, if they lie without gaps. */
ALWAYS void two_halves_at(const uint8_t *p, const int stride, __m256 *first, __m256 *second)
{
    __m256i v = load256(p);
    v = _mm256_blend_epi32(v, load256(p + 1 * (stride - 4)), 0x02);
    v = _mm256_blend_epi32(v, load256(p + 2 * (stride - 4)), 0x04);
    v = _mm256_blend_epi32(v, load256(p + 3 * (stride - 4)), 0x08);
    v = _mm256_blend_epi32(v, load256(p + 4 * (stride - 4)), 0x10);
    v = _mm256_blend_epi32(v, load256(p + 5 * (stride - 4)), 0x20);
    v = _mm256_blend_epi32(v, load256(p + 6 * (stride - 4)), 0x40);
    v = _mm256_blend_epi32(v, load256(p + 7 * (stride - 4)), 0x80);
    v = _mm256_shuffle_epi8(v,
                            _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
                                             0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    v = _mm256_permute4x64_epi64(v, 0xd8);
    *first = _mm256_cvtph_ps(_mm256_castsi256_si128(v));
    *second = _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1));
}

ALWAYS float sum_ps(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Asks for the cache lines of the n bytes that lie `ahead` bytes behind p. n is a constant.
 * Prefetches past the end of a mapping are dropped by the CPU, never faulted. */
ALWAYS void prefetch_ahead(const uint8_t *p, size_t ahead, const int n)
{
    UNROLL for (int i = 0; i < n; i += 64)
        _mm_prefetch((const char *)(p + ahead + (size_t)i), _MM_HINT_T0);
}

/* How far ahead of its row a gemv asks for weights: first memory, to the second level, for a core
 * can wait for more lines there; then that, to the first. See docs/SPEED.md. */
enum { PREFETCH_BYTES = 8192, PREFETCH_NEAR = 2048 };

ALWAYS void prefetch(const uint8_t *p, const int n)
{
    UNROLL for (int i = 0; i < n; i += 64)
        _mm_prefetch((const char *)(p + PREFETCH_BYTES + i), _MM_HINT_T1);
    prefetch_ahead(p, PREFETCH_NEAR, n);
}

/* Columns of activations put in order at a time: they are to stay in a first-level cache. */
enum { QUAD_COLS = 8192 };

/* ---- products of unsigned bytes and activations, summed by four to 32 bits: simd_avxvnni.h has
 * its own ---- */

#ifndef CN_X86_PRODUCTS
#define CN_X86_PRODUCTS

/* Codes <= 128. */
ALWAYS __m256i dot_u8(__m256i codes, __m256i q)
{
    return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, q), _mm256_set1_epi16(1));
}

/* The sums of two. */
ALWAYS __m256i dot_two_u8(__m256i lo, __m256i hi, __m256i q_lo, __m256i q_hi)
{
    return _mm256_add_epi32(dot_u8(lo, q_lo), dot_u8(hi, q_hi));
}

/* The same of codes <= 64. */
ALWAYS __m256i dot_two(__m256i lo, __m256i hi, __m256i q_lo, __m256i q_hi)
{
    return _mm256_madd_epi16(
        _mm256_add_epi16(_mm256_maddubs_epi16(lo, q_lo), _mm256_maddubs_epi16(hi, q_hi)),
        _mm256_set1_epi16(1));
}

/* Signed weights as these products want them, SIGNED_ZERO added: that many times the sums of the
 * activations are to be taken off. Here they stay signed, and give their signs to the activations,
 * or take those of the activations, whose magnitudes are `size`. */
enum { SIGNED_ZERO = 0 };

ALWAYS __m256i signed_codes(__m256i w)
{
    return w;
}

ALWAYS __m256i dot_signed(__m256i w, __m256i q)
{
    return dot_u8(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
}

ALWAYS __m256i dot_two_signed(__m256i lo, __m256i hi, __m256i q_lo, __m256i q_hi, __m256i size_lo,
                              __m256i size_hi)
{
    return dot_two_u8(size_lo, size_hi, _mm256_sign_epi8(lo, q_lo), _mm256_sign_epi8(hi, q_hi));
}

#endif

/* What an offset of the codes takes off eight sums, lane = 32 columns. */
ALWAYS __m256 offset_sums(__m256 scales, const int offset, const float *sum32)
{
    return offset ? _mm256_mul_ps(_mm256_mul_ps(scales, _mm256_set1_ps(-(float)offset)),
                                  _mm256_loadu_ps(sum32))
                  : _mm256_setzero_ps();
}

/* Defines the static gemv of a kernel file by gemv() of its format's header. */
#define X86_GEMV(id, tier)                                                                        \
    static void id##_gemv_##tier(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes, \
                                 const struct cn_act *x, float *y)                                \
    {                                                                                             \
        gemv(n_rows, n_cols, w, row_bytes, x, y);                                                 \
    }

/* The low (h = 0) or high half of v in both halves. */
ALWAYS __m256i both_halves(__m256i v, const int h)
{
    return h ? _mm256_permute4x64_epi64(v, 0xee) : _mm256_permute4x64_epi64(v, 0x44);
}

/* Element i of each half in all of that half. The instruction wants literals. */
ALWAYS __m256 lane_broadcast(__m256 v, const int i)
{
    return i == 0   ? _mm256_permute_ps(v, 0x00)
           : i == 1 ? _mm256_permute_ps(v, 0x55)
           : i == 2 ? _mm256_permute_ps(v, 0xaa)
                    : _mm256_permute_ps(v, 0xff);
}

/* Element i of eight in all lanes; half: from split_halves(). Two shuffles for eight vectors and
 * one each, where loads are the scarcer thing; else a store and eight broadcasts from memory. */
ALWAYS void split_halves(__m256 v, __m256 *half)
{
    half[0] = _mm256_castsi256_ps(both_halves(_mm256_castps_si256(v), 0));
    half[1] = _mm256_castsi256_ps(both_halves(_mm256_castps_si256(v), 1));
}

ALWAYS __m256 element(const __m256 *half, const int i)
{
    return lane_broadcast(half[i / 4], i % 4);
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
    store256(codes + (size_t)(c / 64) * chunk_stride + c % 64, v);
}

/* The low eight bytes as floats. */
ALWAYS __m256 floats_of_u8(__m128i v)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(v));
}

ALWAYS __m256 floats_of_i8(__m128i v)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v));
}

/* The scales of Q4_K and Q5_K (quant/ref/k_scales.h): scales in the low, minima in the high eight
 * bytes. */
ALWAYS __m128i k_scales(const uint8_t *s)
{
    const uint32_t a = load32(s), m = load32(s + 4), h = load32(s + 8);
    return _mm_setr_epi32((int)(a & 0x3f3f3f3f), (int)((h & 0x0f0f0f0f) | (a >> 2 & 0x30303030)),
                          (int)(m & 0x3f3f3f3f),
                          (int)((h >> 4 & 0x0f0f0f0f) | (m >> 2 & 0x30303030)));
}

/* Puts 256 two-bit codes into a panel: run g of 32 in a half of 128 has bits 2g, 2g + 1 of that
 * half's 32 bytes. */
ALWAYS void put_two_bit_codes(uint8_t *codes, size_t chunk_stride, int64_t c, const uint8_t *q)
{
    UNROLL for (int g = 0; g < 8; g++)
        put_codes(codes, chunk_stride, c + 32 * g,
                  _mm256_and_si256(_mm256_srli_epi16(load256(q + g / 4 * 32), g % 4 * 2),
                                   _mm256_set1_epi8(3)));
}

/* ---- formats with grids: runs of elements looked up in a codebook, and their signs ---- */

/* Bytes 4g .. 4g + 3 of either half of v (both alike): bit e % 8 of byte e / 8 set, byte e becomes
 * -1. */
ALWAYS __m256i sign_mask(__m256i v, const int g)
{
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    const long long first = 0x0404040404040404 * g, step = 0x0101010101010101;
    const __m256i spread =
        _mm256_setr_epi64x(first, first + step, first + 2 * step, first + 3 * step);
    v = _mm256_and_si256(_mm256_shuffle_epi8(v, spread), bit);
    return _mm256_cmpeq_epi8(v, bit);
}

/* The same of the four bytes at p. */
ALWAYS __m256i sign_mask_at(const uint8_t *p)
{
    return sign_mask(_mm256_set1_epi32((int)load32(p)), 0);
}

/* v with the signs of the mask. */
ALWAYS __m256i negate(__m256i v, __m256i mask)
{
    return _mm256_sub_epi8(_mm256_xor_si256(v, mask), mask);
}

/* Bytes of 7 bits get the eighth that makes the number of set bits even (cn_iq_signs). */
ALWAYS __m256i even_signs(__m256i codes)
{
    const char o = (char)128;
    const __m256i odd = _mm256_setr_epi8(0, o, o, 0, o, 0, 0, o, o, 0, 0, o, 0, o, o, 0, 0, o, o, 0,
                                         o, 0, 0, o, o, 0, 0, o, 0, o, o, 0);
    const __m256i folded = _mm256_and_si256(_mm256_xor_si256(codes, _mm256_srli_epi16(codes, 4)),
                                            _mm256_set1_epi8(15));
    return _mm256_or_si256(codes, _mm256_shuffle_epi8(odd, folded));
}

/* The four lowest runs of 7 bits of each 32, a byte each. */
ALWAYS __m256i seven_bit_fields(__m256i v)
{
    v = _mm256_blend_epi16(v, _mm256_slli_epi32(v, 2), 0xaa); /* 14 bits in each 16 */
    v = _mm256_and_si256(v, _mm256_set1_epi16(0x3fff));
    return _mm256_add_epi16(v, _mm256_and_si256(v, _mm256_set1_epi16(0x3f80)));
}

/* Sixteen 4-bit numbers of eight bytes, low nibble first, as 16-bit 2 n + 1. */
ALWAYS __m256i odd_scales(const uint8_t *p)
{
    const __m128i v = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p));
    const __m128i n = _mm_and_si128(_mm_or_si128(v, _mm_slli_epi16(v, 4)), _mm_set1_epi8(15));
    return _mm256_cvtepu8_epi16(_mm_add_epi8(_mm_add_epi8(n, n), _mm_set1_epi8(1)));
}

/* What was stored is to be loaded again, in smaller pieces: gcc would rather extract each from its
 * vector, two instructions a piece. The loads wait for the stores to be done, longer than a CPU
 * looks ahead in a loop as long as these: so the kernels store what the next block needs and load
 * what was stored for this one. */
ALWAYS void through_memory(const void *p)
{
    __asm__("" : : "r"(p) : "memory");
}

/* Four grid rows of eight bytes. */
ALWAYS __m256i four_rows(const uint64_t *grid, size_t a, size_t b, size_t c, size_t d)
{
    const double *row = (const double *)(const void *)grid;
    const __m128d lo = _mm_loadh_pd(_mm_load_sd(row + a), row + b),
                  hi = _mm_loadh_pd(_mm_load_sd(row + c), row + d);
    return _mm256_castpd_si256(_mm256_insertf128_pd(_mm256_castpd128_pd256(lo), hi, 1));
}

/* Eight grid rows of four bytes: half of them through general registers, since vpinsrd, which gcc
 * makes of eight loads, waits for the two ports of shuffles. */
ALWAYS __m256i eight_rows(const uint32_t *grid, size_t a, size_t b, size_t c, size_t d, size_t e,
                          size_t f, size_t g, size_t h)
{
    const float *row = (const float *)(const void *)grid;
    const __m128 ab = _mm_unpacklo_ps(_mm_load_ss(row + a), _mm_load_ss(row + b)),
                 ef = _mm_unpacklo_ps(_mm_load_ss(row + e), _mm_load_ss(row + f));
    const __m128i cd = _mm_cvtsi64_si128((long long)(grid[c] | (uint64_t)grid[d] << 32)),
                  gh = _mm_cvtsi64_si128((long long)(grid[g] | (uint64_t)grid[h] << 32));
    return _mm256_setr_m128i(_mm_unpacklo_epi64(_mm_castps_si128(ab), cd),
                             _mm_unpacklo_epi64(_mm_castps_si128(ef), gh));
}

/* Sixteen 16-bit scales times d, to a panel. */
ALWAYS void put_scales16(float *scale, __m256i v, float d)
{
    const __m256i lo = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(v)),
                  hi = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(v, 1));
    _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_set1_ps(d), _mm256_cvtepi32_ps(lo)));
    _mm256_storeu_ps(scale + 8, _mm256_mul_ps(_mm256_set1_ps(d), _mm256_cvtepi32_ps(hi)));
}

/* 32 signed bytes to a panel, 128 being zero. */
ALWAYS void put_bytes(uint8_t *codes, size_t chunk_stride, int64_t c, const int8_t *q)
{
    put_codes(codes, chunk_stride, c, _mm256_xor_si256(load256(q), _mm256_set1_epi8((char)128)));
}

#endif

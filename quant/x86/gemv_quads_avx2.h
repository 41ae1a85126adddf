/* SPDX-License-Identifier: MIT
 *
 * gemv of formats with grids: lanes of the sums are groups of 32 columns.
 */
#ifndef CN_GEMV_QUADS_AVX2_H
#define CN_GEMV_QUADS_AVX2_H

#include "quant/x86/simd_avx2.h"

/* The activations of 256 columns by runs of eight: vector 4 h + l has run l of the groups 2 h,
 * 2 h + 1, 2 h + 4, 2 h + 5. The products of four vectors can so be added before they meet the
 * scales of their groups. */
struct quads {
    _Alignas(64) int8_t q[8][32];
    float d[2][8]; /* the scales of those groups, twice each */
};

/* What the products of a block need beside its codes, in the order of struct quads. It is made a
 * block ahead: from a block's bytes to its signs is further than a CPU looks ahead in such a loop.
 */
struct quad_block {
    __m256i signs[2];
    __m256i scale16; /* the integer scales of 16 columns, or ones */
    __m256 scale[2]; /* of the groups, twice each */
};

/* Groups 0, 1, 4, 5 of eight floats, twice each, and 2, 3, 6, 7. */
ALWAYS void quad_floats(__m256 v, __m256 *to)
{
    to[0] = _mm256_unpacklo_ps(v, v);
    to[1] = _mm256_unpackhi_ps(v, v);
}

ALWAYS void arrange_quads(const struct cn_act *x, int64_t c, struct quads *to)
{
    UNROLL for (int h = 0; h < 2; h++)
    {
        const int8_t *q = x->q + c + 64 * h;
        const __m256i a = load256(q), b = load256(q + 32), d = load256(q + 128),
                      e = load256(q + 160);
        const __m256i ab = _mm256_unpacklo_epi64(a, b), ab_odd = _mm256_unpackhi_epi64(a, b),
                      de = _mm256_unpacklo_epi64(d, e), de_odd = _mm256_unpackhi_epi64(d, e);
        store256(to->q[4 * h], _mm256_permute2x128_si256(ab, de, 0x20));
        store256(to->q[4 * h + 1], _mm256_permute2x128_si256(ab_odd, de_odd, 0x20));
        store256(to->q[4 * h + 2], _mm256_permute2x128_si256(ab, de, 0x31));
        store256(to->q[4 * h + 3], _mm256_permute2x128_si256(ab_odd, de_odd, 0x31));
    }
    __m256 d[2];
    quad_floats(_mm256_loadu_ps(x->d + c / 32), d);
    _mm256_storeu_ps(to->d[0], d[0]);
    _mm256_storeu_ps(to->d[1], d[1]);
}

/* 32 bytes of signs, four a group: each byte doubled, and as it is, side by side, so that the sign
 * of element e of a run is bit e | 1 of byte e % 2. */
ALWAYS void quad_signs(__m256i v, __m256i *to)
{
    const __m256i twice = _mm256_add_epi8(v, v);
    to[0] = _mm256_unpacklo_epi8(twice, v);
    to[1] = _mm256_unpackhi_epi8(twice, v);
}

/* A 16-bit word of each qword of a half (`first` the index of its two bytes, the second qword's
 * word being `step` words on), four times. */
ALWAYS __m256i quad_words(__m256i v, const int first, const int step)
{
    const short a = (short)(0x0100 + 0x0202 * first), b = (short)(a + 0x0202 * step);
    return _mm256_shuffle_epi8(v,
                               _mm256_setr_epi16(a, a, a, a, b, b, b, b, a, a, a, a, b, b, b, b));
}

/* Vector 4 h + l of the activations with their signs: 1 less a set bit, which is 2 or more, is
 * negative, 1 less none is not. */
ALWAYS __m256i signed_quads(const struct quads *x, const __m256i *signs, const int h, const int l)
{
    const __m256i bit = _mm256_set1_epi64x((long long)0x8080202008080202u);
    const __m256i set = _mm256_and_si256(quad_words(signs[h], l, 4), bit);
    return _mm256_sign_epi8(load256(x->q[4 * h + l]), _mm256_sub_epi8(_mm256_set1_epi8(1), set));
}

/* y = W x by blocks of 256 with scales for `sub` (16 or 32) columns. ahead() prepares a block, and
 * stores its indices if they have to be put together; codes() are the magnitudes (<= 64) of vector
 * 4 h + l. */
ALWAYS void gemv_by_quads(struct quad_block (*ahead)(const uint8_t *b, uint16_t *index),
                          __m256i (*codes)(const uint8_t *b, const uint16_t *index, int h, int l),
                          const int sub, const int block_bytes, int64_t n_rows, int64_t n_cols,
                          const void *w, size_t row_bytes, const struct cn_act *x, float *y)
{
    struct quads strip[QUAD_COLS / 256];
    for (int64_t c0 = 0; c0 < n_cols || c0 == 0; c0 += QUAD_COLS) {
        const int64_t n = (n_cols - c0 < QUAD_COLS ? n_cols - c0 : QUAD_COLS) / 256;
        for (int64_t i = 0; i < n; i++)
            arrange_quads(x, c0 + 256 * i, strip + i);
        for (int64_t r = 0; r < n_rows; r++) {
            const uint8_t *b = (const uint8_t *)row_at(w, r, row_bytes) + c0 / 256 * block_bytes;
            __m256 total = _mm256_setzero_ps();
            uint16_t index[2][64]; /* of this block, and of the next; see through_memory */
            struct quad_block next;
            if (n > 0)
                next = ahead(b, index[0]);
            for (int64_t i = 0; i < n; i++, b += block_bytes) {
                prefetch(b, block_bytes);
                const struct quad_block block = next;
                next = ahead(i + 1 < n ? b + block_bytes : b, index[(i + 1) % 2]);
                through_memory(index);
                UNROLL for (int h = 0; h < 2; h++)
                {
                    __m256i dot[2];
                    UNROLL for (int k = 0; k < 2; k++)
                    {
                        const int l = 2 * k;
                        const __m256i v =
                            _mm256_maddubs_epi16(codes(b, index[i % 2], h, l),
                                                 signed_quads(strip + i, block.signs, h, l));
                        const __m256i u =
                            _mm256_maddubs_epi16(codes(b, index[i % 2], h, l + 1),
                                                 signed_quads(strip + i, block.signs, h, l + 1));
                        dot[k] = _mm256_madd_epi16(
                            _mm256_add_epi16(u, v),
                            sub == 16 ? quad_words(block.scale16, 4 * h + k, 2) : block.scale16);
                    }
                    total = _mm256_fmadd_ps(
                        _mm256_cvtepi32_ps(_mm256_add_epi32(dot[0], dot[1])),
                        _mm256_mul_ps(block.scale[h], _mm256_loadu_ps(strip[i].d[h])), total);
                }
            }
            y[r] = c0 ? y[r] + sum_ps(total) : sum_ps(total);
        }
    }
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * gemv and unpack of the formats whose codes are looked up among levels that a group may have
 * shifted (IQ2_K to IQ6_K and their kin).
 *
 * Groups of 32 columns g and g + 4 share a vector, half of each. Levels of more than 7 bits are
 * signed (see signed_codes); smaller ones come with an offset that makes them unsigned. Shift and
 * offset are constants that a group's levels have in common: they meet the sums of the activations,
 * eight groups at once. The activations are put in the order of the levels once per call.
 */
#ifndef CN_GEMV_LEVELS_AVX2_H
#define CN_GEMV_LEVELS_AVX2_H

#include "quant/x86/simd_avx2.h"

/* Functions of a block's bytes. Constants, so that everything folds. */
struct level_format {
    int block_bytes, header_bytes;
    int sub;     /* 16: an f16 begins a block, its scale; 32: a block has none */
    int shift;   /* of a group that is shifted */
    int offset;  /* levels() - offset is the level; 0: levels() are signed_codes() */
    int largest; /* of levels(), if they have an offset */
    int panel_offset;
    /* Columns 16 h to 16 h + 15 of groups g and g + 4; g < 4. */
    __m256i (*levels)(const uint8_t *b, const int g, const int h);
    __m256i (*scales)(const uint8_t *b);  /* sub 16: sixteen words, 32: eight dwords */
    __m256i (*shifted)(const uint8_t *b); /* likewise: -1 where a group's levels are shifted */
};

/* The activations of 256 columns as the levels lie, and, for signed levels, their magnitudes. */
struct level_act {
    _Alignas(32) int8_t q[4][2][32];
    uint8_t size[4][2][32];
};

/* Word i of each half of eight, in all of that half. */
ALWAYS __m256i word_of_halves(__m256i v, const int i)
{
    return _mm256_shuffle_epi8(v, _mm256_set1_epi16((short)(0x0100 + 0x0202 * i)));
}

/* Bits 0 to 15 of x as words: -1 where one is set. */
ALWAYS __m256i words_of_bits(uint16_t x)
{
    const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                          8192, 16384, (short)-32768);
    return _mm256_cmpeq_epi16(_mm256_and_si256(_mm256_set1_epi16((short)x), bit), bit);
}

ALWAYS void arrange_levels(const int8_t *q, struct level_act *to)
{
    UNROLL for (int g = 0; g < 4; g++) UNROLL for (int h = 0; h < 2; h++)
    {
        const int8_t *p = q + 32 * g + 16 * h;
        const __m256i v = load_pair(p, p + 128);
        store256(to->q[g][h], v);
        store256(to->size[g][h], _mm256_abs_epi8(v));
    }
}

/* The products of a block, to be multiplied with its scale and the row's. */
ALWAYS __m256 dot_levels(const struct level_format *f, const uint8_t *b, const struct level_act *x,
                         __m256 d, __m256 sum32, __m256i sum16)
{
    const bool small = f->largest * 127 * 4 <= INT16_MAX;
    const int offset = f->offset ? f->offset : SIGNED_ZERO;
    const __m256i scales = f->scales(b), shifted = f->shifted(b);
    __m256 acc[2], scale = d;
    if (f->sub == 16) {
        const __m256i up =
            _mm256_sub_epi16(_mm256_and_si256(shifted, _mm256_set1_epi16((short)f->shift)),
                             _mm256_set1_epi16((short)offset));
        acc[0] = _mm256_mul_ps(
            _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_mullo_epi16(scales, up), sum16)), d);
    } else {
        const __m256i up = _mm256_sub_epi32(_mm256_and_si256(shifted, _mm256_set1_epi32(f->shift)),
                                            _mm256_set1_epi32(offset));
        const __m256 s = _mm256_cvtepi32_ps(scales);
        acc[0] = _mm256_mul_ps(_mm256_mul_ps(s, _mm256_cvtepi32_ps(up)), sum32);
        scale = _mm256_mul_ps(s, d);
    }
    acc[1] = _mm256_setzero_ps();
    UNROLL for (int g = 0; g < 4; g++)
    {
        const __m256i level[2] = { f->levels(b, g, 0), f->levels(b, g, 1) },
                      q[2] = { load256(x->q[g][0]), load256(x->q[g][1]) },
                      size[2] = { load256(x->size[g][0]), load256(x->size[g][1]) };
        __m256i dot;
        if (f->sub == 32) {
            dot = !f->offset ? dot_two_signed(level[0], level[1], q[0], q[1], size[0], size[1])
                  : small    ? dot_two(level[0], level[1], q[0], q[1])
                             : dot_two_u8(level[0], level[1], q[0], q[1]);
        } else {
            __m256i word[2];
            UNROLL for (int h = 0; h < 2; h++) word[h] =
                f->offset ? _mm256_maddubs_epi16(level[h], q[h])
                          : _mm256_maddubs_epi16(size[h], _mm256_sign_epi8(level[h], q[h]));
            dot = _mm256_add_epi32(_mm256_madd_epi16(word[0], word_of_halves(scales, 2 * g)),
                                   _mm256_madd_epi16(word[1], word_of_halves(scales, 2 * g + 1)));
        }
        acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), lane_broadcast(scale, g), acc[g % 2]);
    }
    return _mm256_add_ps(acc[0], acc[1]);
}

ALWAYS void gemv_levels(const struct level_format *f, int64_t n_rows, int64_t n_cols, const void *w,
                        size_t row_bytes, const struct cn_act *x, float *y)
{
    struct level_act strip[QUAD_COLS / 256];
    for (int64_t c0 = 0; c0 < n_cols || c0 == 0; c0 += QUAD_COLS) {
        const int64_t n = (n_cols - c0 < QUAD_COLS ? n_cols - c0 : QUAD_COLS) / 256;
        for (int64_t i = 0; i < n; i++)
            arrange_levels(x->q + c0 + 256 * i, strip + i);
        for (int64_t r = 0; r < n_rows; r++) {
            const uint8_t *b = (const uint8_t *)row_at(w, r, row_bytes) + f->header_bytes +
                               c0 / 256 * f->block_bytes;
            __m256 total = _mm256_setzero_ps();
            for (int64_t i = 0; i < n; i++, b += f->block_bytes) {
                const int64_t c = c0 + 256 * i;
                prefetch(b, f->block_bytes);
                const __m256 dot =
                    dot_levels(f, b, strip + i, _mm256_loadu_ps(x->d + c / 32),
                               _mm256_loadu_ps(x->sum32 + c / 32), load256(x->sum16 + c / 16));
                total = f->sub == 16 ? _mm256_fmadd_ps(_mm256_set1_ps(half_at(b)), dot, total)
                                     : _mm256_add_ps(total, dot);
            }
            y[r] = c0 ? y[r] + sum_ps(total) : sum_ps(total);
        }
    }
    for (int64_t r = 0; f->header_bytes && r < n_rows; r++)
        y[r] *= cn_row_scale((uint32_t)f->header_bytes, row_at(w, r, row_bytes));
}

ALWAYS void unpack_levels(const struct level_format *f, int64_t n_cols, const void *blocks,
                          uint8_t *codes, size_t chunk_stride, float *scale)
{
    const uint8_t *b = blocks;
    for (int64_t c = 0; c < n_cols; c += 256, b += f->block_bytes, scale += 256 / f->sub) {
        const __m256i scales = f->scales(b), shifted = f->shifted(b);
        if (f->sub == 16)
            put_scales16(scale, scales, half_at(b));
        else
            _mm256_storeu_ps(scale, _mm256_cvtepi32_ps(scales));
        UNROLL for (int g = 0; g < 4; g++)
        {
            const __m256i l0 = f->levels(b, g, 0), l1 = f->levels(b, g, 1);
            UNROLL for (int half = 0; half < 2; half++)
            {
                const __m256i level = half ? _mm256_permute2x128_si256(l0, l1, 0x31)
                                           : _mm256_permute2x128_si256(l0, l1, 0x20);
                const __m256i up =
                    f->sub == 16
                        ? _mm256_shuffle_epi8(both_halves(shifted, half), pair_of_words(g))
                        : _mm256_permutevar8x32_epi32(shifted, _mm256_set1_epi32(g + 4 * half));
                const __m256i by =
                    _mm256_add_epi8(_mm256_and_si256(up, _mm256_set1_epi8((char)f->shift)),
                                    _mm256_set1_epi8((char)(f->panel_offset - f->offset)));
                put_codes(codes, chunk_stride, c + 32 * (g + 4 * half), _mm256_add_epi8(level, by));
            }
        }
    }
}

/* Defines the static gemv of a kernel file, which has `format`, a struct level_format; and gemv and
 * unpack of avx2's. */
#define LEVEL_GEMV(id, tier)                                                                      \
    static void id##_gemv_##tier(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes, \
                                 const struct cn_act *x, float *y)                                \
    {                                                                                             \
        gemv_levels(&format, n_rows, n_cols, w, row_bytes, x, y);                                 \
    }
#define LEVEL_KERNELS(id)                                                            \
    LEVEL_GEMV(id, avx2)                                                             \
                                                                                     \
    static void id##_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes, \
                                 size_t chunk_stride, float *scale, float *min)      \
    {                                                                                \
        (void)min;                                                                   \
        unpack_levels(&format, n_cols, blocks, codes, chunk_stride, scale);          \
    }

/* ---- what several of them have alike ---- */

/* Sixteen 4-bit numbers of eight bytes, low nibble first, as bytes. */
ALWAYS __m128i nibbles_of8(const uint8_t *p)
{
    const __m128i v = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p));
    return _mm_and_si128(_mm_or_si128(v, _mm_slli_epi16(v, 4)), _mm_set1_epi8(15));
}

/* The scales of IQ4_K and IQ5_K: two bits each of four bytes, four of eight. */
ALWAYS __m256i scales_of_6_bits(const uint8_t *hi, const uint8_t *lo)
{
    const __m128i v = _mm_srlv_epi32(_mm_set1_epi32((int)load32(hi)), _mm_setr_epi32(0, 2, 4, 6));
    const __m128i high =
        _mm_and_si128(_mm_slli_epi16(_mm_shuffle_epi8(v, _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2,
                                                                       6, 10, 14, 3, 7, 11, 15)),
                                     4),
                      _mm_set1_epi8(48));
    return _mm256_cvtepi8_epi16(
        _mm_sub_epi8(_mm_or_si128(nibbles_of8(lo), high), _mm_set1_epi8(32)));
}

/* IQ4_KS and IQ5_KS: eight bytes, (byte & 254) - 127 the scale, bit 0 the shift. */
ALWAYS __m256i scales_of_bytes(const uint8_t *b)
{
    const __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)b));
    return _mm256_sub_epi32(_mm256_and_si256(v, _mm256_set1_epi32(254)), _mm256_set1_epi32(127));
}

ALWAYS __m256i shifted_of_bytes(const uint8_t *b)
{
    const __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)b));
    return _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_and_si256(v, _mm256_set1_epi32(1)));
}

/* Levels of 4-bit codes: 16 bytes a group, its first half in low nibbles. */
ALWAYS __m256i levels_of_4_bits(const uint8_t *q, const int8_t *levels, const int g, const int h)
{
    const __m256i v = load_pair(q + 16 * g, q + 16 * g + 64);
    return _mm256_shuffle_epi8(
        signed_codes(load_twice(levels)),
        _mm256_and_si256(h ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15)));
}

/* The low nibbles of codes of more bits: 32 bytes for two groups. */
ALWAYS __m256i low_nibbles(const uint8_t *q, const int g, const int h)
{
    const uint8_t *p = q + g / 2 * 32 + 16 * h;
    const __m256i v = load_pair(p, p + 64);
    return _mm256_and_si256(g % 2 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
}

/* Bit g of the low half's bytes, g + 4 of the high half's to bit 7; byte l of hi has the bits of
 * elements l of all groups. vpblendvb looks at bit
 * 7 only: the others are any. */
ALWAYS __m256i top_bits(const uint8_t *hi, const int g)
{
    const __m256i v = _mm256_sllv_epi32(load_twice(hi), _mm256_setr_epi32(4, 4, 4, 4, 0, 0, 0, 0));
    return g < 3 ? _mm256_slli_epi32(v, 3 - g) : v;
}

/* Levels of 5-bit codes; hi has the fifth bits. */
ALWAYS __m256i levels_of_5_bits(const uint8_t *q, const uint8_t *hi, const int8_t *levels,
                                const int g, const int h)
{
    const __m256i low = low_nibbles(q, g, h);
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(signed_codes(load_twice(levels)), low),
                              _mm256_shuffle_epi8(signed_codes(load_twice(levels + 16)), low),
                              top_bits(hi + 16 * h, g));
}

/* Bit g, from `first` on, of x as dword g: -1 where it is set. */
ALWAYS __m256i dwords_of_bits(uint16_t x, const int first)
{
    const __m256i bit = _mm256_slli_epi32(_mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), first);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(x), bit), bit);
}

/* The scales of IQ3_KS and IQ2_KL: four bits each of four bytes, the first four groups' low; and
 * bits of hi, n for a group. */
ALWAYS __m256i scales_by_fours(const uint8_t *lo, uint16_t hi, const int n)
{
    const __m256i low = _mm256_srlv_epi32(_mm256_set1_epi32((int)load32(lo)),
                                          _mm256_setr_epi32(0, 8, 16, 24, 4, 12, 20, 28));
    const __m256i high =
        _mm256_srlv_epi32(_mm256_set1_epi32(hi << 4),
                          _mm256_setr_epi32(0, n, 2 * n, 3 * n, 4 * n, 5 * n, 6 * n, 7 * n));
    const int top = ((1 << n) - 1) << 4;
    return _mm256_sub_epi32(_mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi32(15)),
                                            _mm256_and_si256(high, _mm256_set1_epi32(top))),
                            _mm256_set1_epi32(8 << n));
}

/* Looked up by two bits of each nibble, the lower (0) or the upper ones (1): four levels. */
ALWAYS __m256i table_by_pairs(const int8_t *levels, const int upper, const int offset)
{
    const __m128i four =
        _mm_add_epi8(_mm_set1_epi32((int)load32(levels)), _mm_set1_epi8((char)offset));
    const __m128i by_upper =
        _mm_shuffle_epi8(four, _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    return _mm256_broadcastsi128_si256(upper ? by_upper : four);
}

/* Nibbles with the two bits of group g, and of g + 4, in their lower (g even) or upper bits: 32
 * bytes for four groups. */
ALWAYS __m256i nibbles_of_pairs(const uint8_t *q, const int g, const int h)
{
    const __m256i v = load_pair(q + 16 * h, q + 32 + 16 * h);
    return _mm256_and_si256(g < 2 ? v : _mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}

/* Levels of 2-bit codes, with an offset. */
ALWAYS __m256i levels_of_2_bits(const uint8_t *q, const int8_t *levels, const int offset,
                                const int g, const int h)
{
    return _mm256_shuffle_epi8(table_by_pairs(levels, g % 2, offset), nibbles_of_pairs(q, g, h));
}

/* Levels of 3-bit codes, with an offset; hi has the third bits. */
ALWAYS __m256i levels_of_3_bits(const uint8_t *q, const uint8_t *hi, const int8_t *levels,
                                const int offset, const int g, const int h)
{
    const __m256i pairs = nibbles_of_pairs(q, g, h);
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(table_by_pairs(levels, g % 2, offset), pairs),
                              _mm256_shuffle_epi8(table_by_pairs(levels + 4, g % 2, offset), pairs),
                              top_bits(hi + 16 * h, g));
}

/* The scales of IQ2_KS: four bits each of four bytes, low nibble first; bits 8 on of hi. */
ALWAYS __m256i scales_by_pairs(const uint8_t *lo, uint16_t hi)
{
    const __m256i low = _mm256_srlv_epi32(_mm256_set1_epi32((int)load32(lo)),
                                          _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
    const __m256i high =
        _mm256_srlv_epi32(_mm256_set1_epi32(hi), _mm256_setr_epi32(4, 5, 6, 7, 8, 9, 10, 11));
    return _mm256_sub_epi32(_mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi32(15)),
                                            _mm256_and_si256(high, _mm256_set1_epi32(16))),
                            _mm256_set1_epi32(16));
}

/* IQ4_KSS: bits 0 of the eight words of each group, a byte a group. */
ALWAYS uint64_t word_bits(const uint16_t q[8][8])
{
    uint64_t bytes = 0;
    UNROLL for (int i = 0; i < 2; i++)
    {
        /* Groups in an order that packing puts right. */
        const __m256i v = load_pair(q[4 * i], q[4 * i + 2]),
                      w = load_pair(q[4 * i + 1], q[4 * i + 3]);
        const __m256i top = _mm256_packs_epi16(_mm256_slli_epi16(v, 15), _mm256_slli_epi16(w, 15));
        bytes |= (uint64_t)(uint32_t)_mm256_movemask_epi8(top) << (32 * i);
    }
    return bytes;
}

/* Bits 0 of eight bytes. */
ALWAYS uint32_t shift_bits_of_bytes(uint64_t bytes)
{
    return (uint32_t)_pext_u64(bytes, 0x0101010101010101u);
}

/* IQ2_KL: component i of the 32 pairs. */
ALWAYS __m256i pair_components(const int8_t (*pairs)[2], const int i)
{
    const __m256i pick = _mm256_broadcastsi128_si256(
        _mm_add_epi8(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14),
                     _mm_set1_epi8((char)i)));
    const __m256i first = load_pair(pairs[0], pairs[16]), last = load_pair(pairs[8], pairs[24]);
    return _mm256_unpacklo_epi64(_mm256_shuffle_epi8(first, pick), _mm256_shuffle_epi8(last, pick));
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ3_KT for AVX2.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale | 32 x u16: index | 32 bytes: signs |
 *
 * The generator as in gemv_trellis_avx2.h; but what counts is the size of an element, so the sums
 * are packed to bytes: of eight runs, four elements at a time, made |T|, with the signs at the
 * activations. Eight weights take vpmulld, vpand, vpmaddubsw, vpmaddwd and a quarter of eleven
 * more.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/gemv_trellis_avx2.h"

#include "quant/ref/iq3_kt.h"

extern const struct cn_kernels cn_iq3_kt_avx2;

/* The activations of 256 columns: of vector v (two groups, one in each half) elements 0 to 3 of
 * four runs, then 4 to 7. */
struct quarters {
    _Alignas(64) int8_t q[4][2][32];
    float d[4][8];
};

/* Bytes 8 r + k of 32, those below 16 and those from 16 on: r = 0..3 side by side, for four k. */
ALWAYS __m256i by_element(__m256i first, __m256i second, const int half)
{
    const int z = 0x8080, i = 0x0404 * half;
    const __m256i lo = _mm256_broadcastsi128_si256(
        _mm_setr_epi16((short)(0x0800 + i), (short)z, (short)(0x0901 + i), (short)z,
                       (short)(0x0a02 + i), (short)z, (short)(0x0b03 + i), (short)z));
    const __m256i hi = _mm256_broadcastsi128_si256(
        _mm_setr_epi16((short)z, (short)(0x0800 + i), (short)z, (short)(0x0901 + i), (short)z,
                       (short)(0x0a02 + i), (short)z, (short)(0x0b03 + i)));
    return _mm256_or_si256(_mm256_shuffle_epi8(first, lo), _mm256_shuffle_epi8(second, hi));
}

/* Of vector v: the group in its low half; the other is two on. */
ALWAYS int group_of(const int v)
{
    return v / 2 * 4 + v % 2;
}

static void iq3_kt_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    struct quarters *r = to;
    UNROLL for (int v = 0; v < 4; v++)
    {
        const int64_t a = c + 32 * group_of(v), b = a + 64;
        const __m256i first = load_pair(x->q + a, x->q + b),
                      second = load_pair(x->q + a + 16, x->q + b + 16);
        store256(r->q[v][0], by_element(first, second, 0));
        store256(r->q[v][1], by_element(first, second, 1));
        _mm256_storeu_ps(r->d[v], two_floats(x->d[a / 32], x->d[b / 32]));
    }
}

/* |T| of elements first .. first + 3 of eight runs. */
ALWAYS __m256i sizes(__m256i index, const int first)
{
    __m256i s[4];
    UNROLL for (int k = 0; k < 4; k++) s[k] = sum_bytes(numbers(index, first + k + 1));
    const __m256i v =
        _mm256_packus_epi16(_mm256_packs_epi32(s[0], s[1]), _mm256_packs_epi32(s[2], s[3]));
    return _mm256_abs_epi8(_mm256_sub_epi8(v, _mm256_set1_epi8(CN_TRELLIS_MEAN)));
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_iq3_kt *b = (const void *)bytes;
    const struct quarters *r = x;
    const __m256i first = load_twice(b->sign), second = load_twice(b->sign + 16);
    const __m256i sign[2] = { by_element(first, second, 0), by_element(first, second, 1) };
    const __m256i nibbles = _mm256_set1_epi32((int)load32(b->scale));
    UNROLL for (int v = 0; v < 4; v++)
    {
        const int g = group_of(v);
        const __m256i index = states(load256(b->index + v / 2 * 16), v % 2);
        const __m256i bit =
            _mm256_setr_m128i(_mm_set1_epi8((char)(1 << g)), _mm_set1_epi8((char)(1 << (g + 2))));
        __m256i dot = _mm256_setzero_si256();
        UNROLL for (int i = 0; i < 2; i++)
        {
            const __m256i mask = _mm256_cmpeq_epi8(_mm256_and_si256(sign[i], bit), bit);
            const __m256i q = negate(load256(r->q[v][i]), mask);
            dot = _mm256_add_epi32(dot, dot_u8(sizes(index, 4 * i), q));
        }
        const __m256i scales =
            _mm256_and_si256(v / 2 ? _mm256_srli_epi32(nibbles, 4) : nibbles, _mm256_set1_epi8(15));
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                _mm256_mul_ps(scale_lanes(scales, v % 2), _mm256_loadu_ps(r->d[v])),
                                total);
    }
    return total;
}

ALWAYS float row_scale(const uint8_t *row)
{
    return header_of(row) * 1.01f;
}

static void iq3_kt_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                             const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 256,
                                          .block_bytes = sizeof(struct cn_block_iq3_kt),
                                          .header_bytes = HEADER,
                                          .x_bytes = sizeof(struct quarters),
                                          .arrange = iq3_kt_arrange_avx2,
                                          .step = step,
                                          .row_scale = row_scale };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

static void iq3_kt_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes,
                               size_t chunk_stride, float *scale, float *min)
{
    const struct cn_block_iq3_kt *b = blocks;
    const __m256i mean = _mm256_set1_epi8(CN_TRELLIS_MEAN);
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++)
        for (int g = 0; g < 8; g++) {
            const uint32_t index[4] = { b->index[4 * g], b->index[4 * g + 1], b->index[4 * g + 2],
                                        b->index[4 * g + 3] };
            const __m256i bit = _mm256_set1_epi8((char)(1 << g));
            const __m256i mask = _mm256_cmpeq_epi8(_mm256_and_si256(load256(b->sign), bit), bit);
            const __m256i size = _mm256_abs_epi8(_mm256_sub_epi8(codes_of_runs8(index), mean));
            *scale++ = (float)(b->scale[g % 4] >> (4 * (g / 4)) & 15);
            put_codes(codes, chunk_stride, c + 32 * g, _mm256_add_epi8(negate(size, mask), mean));
        }
}

const struct cn_kernels cn_iq3_kt_avx2 = {
    .gemv = iq3_kt_gemv_avx2,
    .unpack = iq3_kt_unpack_avx2,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32, .row_factor = 1.01f},
};

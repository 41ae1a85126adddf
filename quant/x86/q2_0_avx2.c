/* SPDX-License-Identifier: MIT
 *
 * Q2_0 for AVX2.
 *
 *   | d f16 | 16 bytes: 64 x 2-bit code |        w = d * (code - 1)
 *
 * Two blocks share a vector, one in each half. Field f of its bytes is every fourth column from
 * column f on; with the activations in that order the products of all four fields add up in 16
 * bits, and a lane of the sums is 16 columns. The offset is where the sums start.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, four terms a block.
 */
#include "quant/x86/gemv_strips_avx2.h"

#include "quant/ref/q2_0.h"

extern const struct cn_kernels cn_q2_0_avx2;

enum { OFFSET = 1 };

/* The activations of 256 columns: of each half of 128 by fields; minus the sums of 16 columns; the
 * scales of 32, twice each. */
struct fields {
    _Alignas(32) int8_t q[2][4][32];
    int32_t start[2][8];
    float d[2][8];
};

static void q2_0_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    struct fields *f = to;
    const __m256i by_field = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m256 d = _mm256_loadu_ps(x->d + c / 32);
    const __m256i sums = load256(x->sum16 + c / 16);
    UNROLL for (int h = 0; h < 2; h++)
    {
        const int8_t *q = x->q + c + 128 * h;
        __m256i v[4];
        UNROLL for (int i = 0; i < 4; i++) v[i] =
            _mm256_shuffle_epi8(load_pair(q + 16 * i, q + 16 * i + 64), by_field);
        transpose_dwords(v);
        UNROLL for (int i = 0; i < 4; i++) store256(f->q[h][i], v[i]);
        const __m128i half = h ? _mm256_extracti128_si256(sums, 1) : _mm256_castsi256_si128(sums);
        store256(f->start[h],
                 _mm256_mullo_epi32(_mm256_cvtepi16_epi32(half), _mm256_set1_epi32(-OFFSET)));
        const __m256i twice = _mm256_setr_epi32(4 * h, 4 * h, 4 * h + 1, 4 * h + 1, 4 * h + 2,
                                                4 * h + 2, 4 * h + 3, 4 * h + 3);
        _mm256_storeu_ps(f->d[h], _mm256_permutevar8x32_ps(d, twice));
    }
}

/* The f16 at the start of two blocks, four times each. */
ALWAYS __m256 two_scales(const struct cn_block_q2_0 *b)
{
    return _mm256_cvtph_ps(_mm_unpacklo_epi64(_mm_set1_epi16((short)load16(&b[0].d)),
                                              _mm_set1_epi16((short)load16(&b[1].d))));
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_q2_0 *b = (const void *)bytes;
    const struct fields *f = x;
    UNROLL for (int h = 0; h < 2; h++, b += 2)
    {
        const __m256i v = load_pair(b[0].q, b[1].q), field = _mm256_set1_epi8(3);
        __m256i sum = _mm256_maddubs_epi16(_mm256_and_si256(v, field), load256(f->q[h][0]));
        UNROLL for (int i = 1; i < 4; i++) sum = _mm256_add_epi16(
            sum, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(v, 2 * i), field),
                                      load256(f->q[h][i])));
        const __m256i dot =
            _mm256_add_epi32(_mm256_madd_epi16(sum, _mm256_set1_epi16(1)), load256(f->start[h]));
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                _mm256_mul_ps(two_scales(b), _mm256_loadu_ps(f->d[h])), total);
    }
    return total;
}

static void q2_0_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 64,
                                          .block_bytes = sizeof(struct cn_block_q2_0),
                                          .x_bytes = sizeof(struct fields),
                                          .arrange = q2_0_arrange_avx2,
                                          .step = step };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

/* Four columns of each of eight bytes: the bytes to dwords, shifted by field. */
ALWAYS __m256i spread(const uint8_t *q)
{
    const __m256i v = _mm256_set1_epi64x((long long)load64(q));
    const __m256i four =
        _mm256_shuffle_epi8(v, _mm256_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4,
                                                4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7));
    /* Byte i of a dword: bits 2 i, 2 i + 1 of it. */
    const __m256i low = _mm256_and_si256(four, _mm256_set1_epi32(0x0f0f0f0f));
    const __m256i high =
        _mm256_and_si256(_mm256_srli_epi16(four, 4), _mm256_set1_epi32(0x0f0f0f0f));
    const __m256i nibble = _mm256_blend_epi16(low, high, 0xaa);
    const __m256i even = _mm256_and_si256(nibble, _mm256_set1_epi8(3)),
                  odd = _mm256_and_si256(_mm256_srli_epi16(nibble, 2), _mm256_set1_epi8(3));
    return _mm256_blendv_epi8(even, odd, _mm256_set1_epi16((short)0xff00));
}

static void q2_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q2_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 64, b++, scale += 2) {
        scale[0] = scale[1] = half_at(&b->d);
        put_codes(codes, chunk_stride, c, spread(b->q));
        put_codes(codes, chunk_stride, c + 32, spread(b->q + 8));
    }
}

const struct cn_kernels cn_q2_0_avx2 = {
    .gemv = q2_0_gemv_avx2,
    .unpack = q2_0_unpack_avx2,
    .panel = {.code_max = 3, .offset = OFFSET, .sub = 32},
};

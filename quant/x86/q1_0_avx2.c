/* SPDX-License-Identifier: MIT
 *
 * Q1_0 for AVX2.
 *
 *   | d f16 | 16 bytes: 128 bits |        w = bit ? d : -d
 *
 * Two blocks share a vector, one in each half. Bit i of its bytes is every eighth column from
 * column i on; with the activations in that order four neighbouring bytes are 32 columns, whose
 * products of all eight bits end in one lane of the sums. They are summed as 2 * (sum where the bit
 * is set)
 * - (sum of all).
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, two terms for 32 columns.
 */
#include "quant/x86/gemv_strips_avx2.h"

#include "quant/ref/q1_0.h"

extern const struct cn_kernels cn_q1_0_avx2;

enum { OFFSET = 1 };

/* The activations of 256 columns by bits; what all of them sum up to; twice their scales. */
struct bits {
    _Alignas(32) int8_t q[8][32];
    float d2[8], sum[8];
};

/* Words i of the eight of v[i'], the other way round, in each half. */
ALWAYS void transpose_words(__m256i *v)
{
    __m256i a[8], b[8];
    UNROLL for (int i = 0; i < 4; i++)
    {
        a[2 * i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
    }
    UNROLL for (int i = 0; i < 2; i++)
    {
        b[4 * i] = _mm256_unpacklo_epi32(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm256_unpackhi_epi32(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm256_unpacklo_epi32(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm256_unpackhi_epi32(a[4 * i + 1], a[4 * i + 3]);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        v[2 * i] = _mm256_unpacklo_epi64(b[i], b[i + 4]);
        v[2 * i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 4]);
    }
}

static void q1_0_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    struct bits *f = to;
    const __m256i by_bit = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    const int8_t *q = x->q + c;
    const __m256 d = _mm256_loadu_ps(x->d + c / 32);
    __m256i v[8];
    UNROLL for (int i = 0; i < 8; i++) v[i] =
        _mm256_shuffle_epi8(load_pair(q + 16 * i, q + 16 * i + 128), by_bit);
    transpose_words(v);
    UNROLL for (int i = 0; i < 8; i++) store256(f->q[i], v[i]);
    _mm256_storeu_ps(f->d2, _mm256_add_ps(d, d));
    _mm256_storeu_ps(f->sum, _mm256_loadu_ps(x->sum32 + c / 32));
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_q1_0 *b = (const void *)bytes;
    const struct bits *f = x;
    const __m256i v = load_pair(b[0].q, b[1].q), bit = _mm256_set1_epi8(1);
    __m256i sum = _mm256_maddubs_epi16(_mm256_and_si256(v, bit), load256(f->q[0]));
    UNROLL for (int i = 1; i < 8; i++) sum =
        _mm256_add_epi16(sum, _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(v, i), bit),
                                                   load256(f->q[i])));
    const __m256i dot = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    const __m256 d = _mm256_cvtph_ps(_mm_unpacklo_epi64(_mm_set1_epi16((short)load16(&b[0].d)),
                                                        _mm_set1_epi16((short)load16(&b[1].d))));
    const __m256 signed_sum =
        _mm256_fmsub_ps(_mm256_cvtepi32_ps(dot), _mm256_loadu_ps(f->d2), _mm256_loadu_ps(f->sum));
    return _mm256_fmadd_ps(signed_sum, d, total);
}

static void q1_0_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 128,
                                          .block_bytes = sizeof(struct cn_block_q1_0),
                                          .x_bytes = sizeof(struct bits),
                                          .arrange = q1_0_arrange_avx2,
                                          .step = step };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

static void q1_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q1_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 128, b++, scale += 4) {
        _mm_storeu_ps(scale, _mm_set1_ps(half_at(&b->d)));
        UNROLL for (int g = 0; g < 4; g++)
            put_codes(codes, chunk_stride, c + 32 * g,
                      _mm256_and_si256(sign_mask_at(b->q + 4 * g), _mm256_set1_epi8(2)));
    }
}

const struct cn_kernels cn_q1_0_avx2 = {
    .gemv = q1_0_gemv_avx2,
    .unpack = q1_0_unpack_avx2,
    .panel = {.code_max = 2, .offset = OFFSET, .sub = 32},
};

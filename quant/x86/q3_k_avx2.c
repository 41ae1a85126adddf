/* SPDX-License-Identifier: MIT
 *
 * Q3_K for AVX2.
 *
 *   | 32 bytes: high bits | 64 bytes: low 2 bits | 12 bytes: 16 x 6-bit scale | d f16 |
 *
 * A vector of 32 codes is two groups of 16, one in each half: their scales, as 16-bit numbers, are
 * the factors of vpmaddwd. Runs 0 to 2 of a half block are multiplied where their low bits lie, as
 * 1, 4 and 16 times the code, and put right at the end of the block. The offset meets the sums of
 * the activations in integers, lane = 32 columns.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q3_k.h"

extern const struct cn_kernels cn_q3_k_avx2;

enum { OFFSET = 4, SCALE_OFFSET = 32 };

/* The sixteen scales, signed bytes. */
ALWAYS __m128i scales_of(const struct cn_block_q3_k *b)
{
    const uint64_t lo = load64(b->scales);
    const __m128i low =
        _mm_and_si128(_mm_set_epi64x((long long)(lo >> 4), (long long)lo), _mm_set1_epi8(15));
    const __m128i high = _mm_and_si128(
        _mm_srlv_epi32(_mm_set1_epi32((int)load32(b->scales + 8)), _mm_setr_epi32(0, 2, 4, 6)),
        _mm_set1_epi8(3));
    return _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(high, 4)), _mm_set1_epi8(SCALE_OFFSET));
}

/* v >> n (or << -n); what crosses into a neighbouring byte is masked away by the caller. */
ALWAYS __m256i shift_right(__m256i v, const int n)
{
    return n > 0 ? _mm256_srli_epi16(v, n) : n < 0 ? _mm256_slli_epi16(v, -n) : v;
}

/* Codes of run g of half h, times 1 << shift; shift <= 2 g. */
ALWAYS __m256i codes_of(const struct cn_block_q3_k *b, const int h, const int g, const int shift)
{
    const __m256i lo = shift_right(load256(b->q + 32 * h), 2 * g - shift);
    const __m256i hi = shift_right(load256(b->hi), 4 * h + g - 2 - shift);
    return _mm256_or_si256(_mm256_and_si256(lo, _mm256_set1_epi8((char)(3 << shift))),
                           _mm256_and_si256(hi, _mm256_set1_epi8((char)(4 << shift))));
}

static void q3_k_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q3_k *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const __m256i scale16 = _mm256_cvtepi8_epi16(scales_of(b));
            const __m256i sums = _mm256_madd_epi16(scale16, load256(x->sum16 + c / 16));
            __m256 acc[3]; /* [i]: of 4^i times the codes */
            acc[0] = _mm256_mul_ps(
                _mm256_cvtepi32_ps(sums),
                _mm256_mul_ps(_mm256_loadu_ps(x->d + c / 32), _mm256_set1_ps(-OFFSET)));
            acc[1] = acc[2] = _mm256_setzero_ps();
            UNROLL for (int h = 0; h < 2; h++)
            {
                const __m256i scales = both_halves(scale16, h);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    const int64_t at = c + 128 * h + 32 * g;
                    const int place = g < 3 ? g : 0;
                    __m256i codes = codes_of(b, h, g, 2 * place);
                    __m256i dot = _mm256_madd_epi16(_mm256_maddubs_epi16(codes, load256(x->q + at)),
                                                    _mm256_shuffle_epi8(scales, pair_of_words(g)));
                    acc[place] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                                 _mm256_broadcast_ss(x->d + at / 32), acc[place]);
                }
            }
            acc[0] = _mm256_fmadd_ps(acc[1], _mm256_set1_ps(0.25f), acc[0]);
            acc[0] = _mm256_fmadd_ps(acc[2], _mm256_set1_ps(0.0625f), acc[0]);
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), acc[0], total);
        }
        y[r] = sum_ps(total);
    }
}

static void q3_k_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q3_k *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16) {
        const __m256 d = _mm256_set1_ps(half_at(&b->d));
        const __m128i s = scales_of(b);
        _mm256_storeu_ps(scale, _mm256_mul_ps(d, floats_of_i8(s)));
        _mm256_storeu_ps(scale + 8, _mm256_mul_ps(d, floats_of_i8(_mm_srli_si128(s, 8))));
        UNROLL for (int g = 0; g < 8; g++)
            put_codes(codes, chunk_stride, c + 32 * g, codes_of(b, g / 4, g % 4, 0));
    }
}

const struct cn_kernels cn_q3_k_avx2 = {
    .gemv = q3_k_gemv_avx2,
    .unpack = q3_k_unpack_avx2,
    .panel = {.code_max = 7, .offset = OFFSET, .sub = 16},
};

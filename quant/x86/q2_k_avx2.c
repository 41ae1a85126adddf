/* SPDX-License-Identifier: MIT
 *
 * Q2_K for AVX2.
 *
 *   | 16 bytes: 4-bit scale, 4-bit min | 64 bytes: 256 x 2-bit code | d f16 | dmin f16 |
 *
 * A vector of 32 codes is two groups of 16, one in each half: their scales, as 16-bit numbers, are
 * the factors of vpmaddwd. Runs 0 to 2 of a half block are multiplied where their bits lie, as 1, 4
 * and 16 times the code, and put right at the end of the block. Minima meet the sums of the
 * activations in integers, lane = 32 columns.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q2_k.h"

extern const struct cn_kernels cn_q2_k_avx2;

static void q2_k_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    const __m128i nibble = _mm_set1_epi8(15);
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q2_k *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const __m128i s = load128(b->scales);
            const __m256i scale16 = _mm256_cvtepu8_epi16(_mm_and_si128(s, nibble));
            const __m256i min16 = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(s, 4), nibble));
            /* [i]: of 4^i times the codes */
            __m256 acc[3] = { _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps() };
            UNROLL for (int h = 0; h < 2; h++)
            {
                const __m256i scales = both_halves(scale16, h), v = load256(b->q + 32 * h);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    const int64_t at = c + 128 * h + 32 * g;
                    const int place = g < 3 ? g : 0;
                    __m256i codes = _mm256_and_si256(g < 3 ? v : _mm256_srli_epi16(v, 6),
                                                     _mm256_set1_epi8((char)(3 << 2 * place)));
                    __m256i dot = _mm256_madd_epi16(_mm256_maddubs_epi16(codes, load256(x->q + at)),
                                                    _mm256_shuffle_epi8(scales, pair_of_words(g)));
                    acc[place] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                                 _mm256_broadcast_ss(x->d + at / 32), acc[place]);
                }
            }
            acc[0] = _mm256_fmadd_ps(acc[1], _mm256_set1_ps(0.25f), acc[0]);
            acc[0] = _mm256_fmadd_ps(acc[2], _mm256_set1_ps(0.0625f), acc[0]);
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), acc[0], total);
            const __m256i sums = _mm256_madd_epi16(min16, load256(x->sum16 + c / 16));
            const __m256 mins =
                _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_loadu_ps(x->d + c / 32));
            total = _mm256_fnmadd_ps(_mm256_set1_ps(half_at(&b->dmin)), mins, total);
        }
        y[r] = sum_ps(total);
    }
}

static void q2_k_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const __m128i nibble = _mm_set1_epi8(15);
    const struct cn_block_q2_k *b = row;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16, min += 16) {
        const __m256 d = _mm256_set1_ps(half_at(&b->d)), dmin = _mm256_set1_ps(half_at(&b->dmin));
        const __m128i s = load128(b->scales);
        const __m128i lo = _mm_and_si128(s, nibble),
                      hi = _mm_and_si128(_mm_srli_epi16(s, 4), nibble);
        _mm256_storeu_ps(scale, _mm256_mul_ps(d, floats_of_u8(lo)));
        _mm256_storeu_ps(scale + 8, _mm256_mul_ps(d, floats_of_u8(_mm_srli_si128(lo, 8))));
        _mm256_storeu_ps(min, _mm256_mul_ps(dmin, floats_of_u8(hi)));
        _mm256_storeu_ps(min + 8, _mm256_mul_ps(dmin, floats_of_u8(_mm_srli_si128(hi, 8))));
        put_two_bit_codes(codes, chunk_stride, c, b->q);
    }
}

const struct cn_kernels cn_q2_k_avx2 = {
    .gemv = q2_k_gemv_avx2,
    .unpack = q2_k_unpack_avx2,
    .panel = {.code_max = 3, .sub = 16, .has_min = true},
};

/* SPDX-License-Identifier: MIT
 *
 * Q6_K for AVX2.
 *
 *   | 128 bytes: low 4 bits | 64 bytes: high 2 bits | 16 signed byte scales | d f16 |
 *
 * A vector of 32 codes is two groups of 16, one in each half: their scales, as 16-bit numbers, are
 * the factors of vpmaddwd. The offset of the codes meets the sums of the activations in integers
 * (vpmaddwd of 16 scales and 16 sums), lane = 32 columns.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/q6_k_avx2.h"

extern const struct cn_kernels cn_q6_k_avx2;

/* The 128 codes of half h, 32 a vector. */
ALWAYS void codes_of(const struct cn_block_q6_k *b, const int h, __m256i *code)
{
    const __m256i low = _mm256_set1_epi8(15), high = _mm256_set1_epi8(48);
    const __m256i lo0 = load256(b->lo + 64 * h), lo1 = load256(b->lo + 64 * h + 32),
                  hi = load256(b->hi + 32 * h);
    code[0] = _mm256_or_si256(_mm256_and_si256(lo0, low),
                              _mm256_and_si256(_mm256_slli_epi16(hi, 4), high));
    code[1] = _mm256_or_si256(_mm256_and_si256(lo1, low),
                              _mm256_and_si256(_mm256_slli_epi16(hi, 2), high));
    code[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(lo0, 4), low),
                              _mm256_and_si256(hi, high));
    code[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(lo1, 4), low),
                              _mm256_and_si256(_mm256_srli_epi16(hi, 2), high));
}

static void q6_k_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q6_k *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const __m256i scale16 = _mm256_cvtepi8_epi16(load128(b->scale));
            const __m256i sums = _mm256_madd_epi16(scale16, load256(x->sum16 + c / 16));
            __m256 acc[2];
            acc[0] = _mm256_mul_ps(
                _mm256_cvtepi32_ps(sums),
                _mm256_mul_ps(_mm256_loadu_ps(x->d + c / 32), _mm256_set1_ps(-OFFSET)));
            acc[1] = _mm256_setzero_ps();
            UNROLL for (int h = 0; h < 2; h++)
            {
                const __m256i scales = both_halves(scale16, h);
                __m256i code[4];
                codes_of(b, h, code);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    const int64_t at = c + 128 * h + 32 * g;
                    __m256i dot =
                        _mm256_madd_epi16(_mm256_maddubs_epi16(code[g], load256(x->q + at)),
                                          _mm256_shuffle_epi8(scales, pair_of_words(g)));
                    const __m256 d = _mm256_broadcast_ss(x->d + at / 32);
                    acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), d, acc[g % 2]);
                }
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), _mm256_add_ps(acc[0], acc[1]),
                                    total);
        }
        y[r] = sum_ps(total);
    }
}

static void q6_k_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_q6_k *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 16) {
        const __m256 d = _mm256_set1_ps(half_at(&b->d));
        const __m128i s = load128(b->scale);
        _mm256_storeu_ps(scale, _mm256_mul_ps(d, floats_of_i8(s)));
        _mm256_storeu_ps(scale + 8, _mm256_mul_ps(d, floats_of_i8(_mm_srli_si128(s, 8))));
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256i code[4];
            codes_of(b, h, code);
            UNROLL for (int g = 0; g < 4; g++)
                put_codes(codes, chunk_stride, c + 128 * h + 32 * g, code[g]);
        }
    }
}

SMALL_FORMAT(q6_k, avx2, sizeof(struct cn_block_q6_k), 2, false, 4, 16, CN_SMALL_SUMS)

const struct cn_kernels cn_q6_k_avx2 = {
    .gemv = q6_k_gemv_avx2,
    .unpack = q6_k_unpack_avx2,
    .small = &q6_k_small_avx2,
    .panel = {.code_max = 63, .offset = OFFSET, .sub = 16},
};

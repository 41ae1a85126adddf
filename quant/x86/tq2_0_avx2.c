/* SPDX-License-Identifier: MIT
 *
 * TQ2_0 for AVX2.
 *
 *   | 64 bytes: 256 x 2-bit code | d f16 |        w = d * (code - 1)
 *
 * Runs 0 to 2 of a half block are multiplied where their bits lie, as 1, 4 and 16 times the code;
 * the factors of vpmaddwd make all of them 16 times. The offset meets the sums of the activations,
 * lane = 32 columns.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/tq2_0.h"

extern const struct cn_kernels cn_tq2_0_avx2;

static void tq2_0_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                            const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_tq2_0 *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            __m256 acc[2];
            acc[0] = _mm256_mul_ps(_mm256_loadu_ps(x->sum32 + c / 32), _mm256_set1_ps(-16));
            acc[1] = _mm256_setzero_ps();
            UNROLL for (int h = 0; h < 2; h++)
            {
                const __m256i v = load256(b->q + 32 * h);
                UNROLL for (int g = 0; g < 4; g++)
                {
                    const int64_t at = c + 128 * h + 32 * g;
                    const int place = g < 3 ? g : 0;
                    __m256i codes = _mm256_and_si256(g < 3 ? v : _mm256_srli_epi16(v, 6),
                                                     _mm256_set1_epi8((char)(3 << 2 * place)));
                    __m256i dot = _mm256_madd_epi16(_mm256_maddubs_epi16(codes, load256(x->q + at)),
                                                    _mm256_set1_epi16((short)(16 >> 2 * place)));
                    acc[g % 2] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                                 _mm256_broadcast_ss(x->d + at / 32), acc[g % 2]);
                }
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d) * 0.0625f),
                                    _mm256_add_ps(acc[0], acc[1]), total);
        }
        y[r] = sum_ps(total);
    }
}

static void tq2_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_tq2_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_set1_ps(half_at(&b->d)));
        put_two_bit_codes(codes, chunk_stride, c, b->q);
    }
}

const struct cn_kernels cn_tq2_0_avx2 = {
    .gemv = tq2_0_gemv_avx2,
    .unpack = tq2_0_unpack_avx2,
    .panel = {.code_max = 3, .offset = 1, .sub = 32},
};

/* SPDX-License-Identifier: MIT
 *
 * Q4_K for AVX2.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 128 bytes: 256 x 4-bit code |
 *
 * The 6-bit scales are spread to bytes with four masks. 32 bytes of codes are two groups (low and
 * high nibbles). The product scale * activation scale is made for eight groups at once; the minima
 * meet the sums of the activations likewise, lane = group.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding of 8 group sums a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q4_k.h"

extern const struct cn_kernels cn_q4_k_avx2;

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q4_k *b =
            (const struct cn_block_q4_k *)(const void *)((const uint8_t *)w +
                                                         (size_t)r * row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const __m128i scales = k_scales(b->scales);
            float scale[8];
            _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scales)),
                                                  _mm256_loadu_ps(x->d + c / 32)));
            __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            UNROLL for (int g = 0; g < 8; g += 2)
            {
                __m256i v = load256(b->q + 16 * g);
                __m256i lo = dot_u8(_mm256_and_si256(v, nibble), load256(x->q + c + 32 * g));
                __m256i hi = dot_u8(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                                    load256(x->q + c + 32 * g + 32));
                acc[0] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(lo), _mm256_broadcast_ss(scale + g), acc[0]);
                acc[1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(hi), _mm256_broadcast_ss(scale + g + 1),
                                         acc[1]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), _mm256_add_ps(acc[0], acc[1]),
                                    total);
            __m256 mins = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(scales, 8)));
            mins = _mm256_mul_ps(mins, _mm256_loadu_ps(x->sum32 + c / 32));
            total = _mm256_fnmadd_ps(_mm256_set1_ps(half_at(&b->dmin)), mins, total);
        }
        y[r] = sum_ps(total);
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const struct cn_block_q4_k *b = row;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8, min += 8) {
        const __m128i scales = k_scales(b->scales);
        _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)),
                                              _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scales))));
        _mm256_storeu_ps(min, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->dmin)),
                                            _mm256_cvtepi32_ps(
                                                _mm256_cvtepu8_epi32(_mm_srli_si128(scales, 8)))));
        for (int i = 0; i < 4; i++, codes += chunk_stride) {
            __m256i v = load256(b->q + 32 * i);
            _mm256_storeu_si256((__m256i *)(void *)codes, _mm256_and_si256(v, nibble));
            _mm256_storeu_si256((__m256i *)(void *)(codes + 32),
                                _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
        }
    }
}

const struct cn_kernels cn_q4_k_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 15, .offset = 0, .sub = 32, .has_min = true},
};

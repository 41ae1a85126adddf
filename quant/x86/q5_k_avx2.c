/* SPDX-License-Identifier: MIT
 *
 * Q5_K for AVX2.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 32 bytes: fifth bits |
 *   | 128 bytes: low 4 bits |
 *
 * 32 bytes of low bits are two groups (low and high nibbles); bit g of the fifth bits is shifted to
 * bit 4 for group g. The product scale * activation scale is made for eight groups at once; the
 * minima meet the sums of the activations likewise, lane = group.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/ref/q5_k.h"

extern const struct cn_kernels cn_q5_k_avx2;

/* The codes of groups 2i and 2i + 1. */
ALWAYS void codes_of(const struct cn_block_q5_k *b, const int i, __m256i *even, __m256i *odd)
{
    const __m256i nibble = _mm256_set1_epi8(15), bit = _mm256_set1_epi8(16);
    const __m256i v = load256(b->q + 32 * i), hi = load256(b->hi);
    __m256i hi_even = i < 2 ? _mm256_slli_epi16(hi, 4 - 2 * i) : _mm256_srli_epi16(hi, 2 * i - 4);
    __m256i hi_odd = i < 2 ? _mm256_slli_epi16(hi, 3 - 2 * i) : _mm256_srli_epi16(hi, 2 * i - 3);
    *even = _mm256_or_si256(_mm256_and_si256(v, nibble), _mm256_and_si256(hi_even, bit));
    *odd = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                           _mm256_and_si256(hi_odd, bit));
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q5_k *b = row_at(w, r, row_bytes);
        __m256 total = _mm256_setzero_ps();
        for (int64_t c = 0; c < n_cols; c += 256, b++) {
            prefetch((const uint8_t *)b, sizeof *b);
            const __m128i scales = k_scales(b->scales);
            float scale[8];
            _mm256_storeu_ps(scale,
                             _mm256_mul_ps(floats_of_u8(scales), _mm256_loadu_ps(x->d + c / 32)));
            __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
            UNROLL for (int i = 0; i < 4; i++)
            {
                __m256i even, odd;
                codes_of(b, i, &even, &odd);
                even = dot_u8(even, load256(x->q + c + 64 * i));
                odd = dot_u8(odd, load256(x->q + c + 64 * i + 32));
                acc[0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(even),
                                         _mm256_broadcast_ss(scale + 2 * i), acc[0]);
                acc[1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(odd),
                                         _mm256_broadcast_ss(scale + 2 * i + 1), acc[1]);
            }
            total = _mm256_fmadd_ps(_mm256_set1_ps(half_at(&b->d)), _mm256_add_ps(acc[0], acc[1]),
                                    total);
            const __m256 mins = _mm256_mul_ps(floats_of_u8(_mm_srli_si128(scales, 8)),
                                              _mm256_loadu_ps(x->sum32 + c / 32));
            total = _mm256_fnmadd_ps(_mm256_set1_ps(half_at(&b->dmin)), mins, total);
        }
        y[r] = sum_ps(total);
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_q5_k *b = row;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8, min += 8) {
        const __m128i scales = k_scales(b->scales);
        _mm256_storeu_ps(scale,
                         _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)), floats_of_u8(scales)));
        _mm256_storeu_ps(min, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->dmin)),
                                            floats_of_u8(_mm_srli_si128(scales, 8))));
        UNROLL for (int i = 0; i < 4; i++)
        {
            __m256i even, odd;
            codes_of(b, i, &even, &odd);
            put_codes(codes, chunk_stride, c + 64 * i, even);
            put_codes(codes, chunk_stride, c + 64 * i + 32, odd);
        }
    }
}

const struct cn_kernels cn_q5_k_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 31, .sub = 32, .has_min = true},
};

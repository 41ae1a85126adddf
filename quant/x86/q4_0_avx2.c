/* SPDX-License-Identifier: MIT
 *
 * Q4_0 for AVX2.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * (code - 8)
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: the low nibbles are 16 columns of
 * both, the high nibbles the other 16, and their products add up in 16 bits. Scales are made eight
 * at a time; the offset meets the sums of the activations, lane = block.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, two terms a block.
 */
#include "quant/x86/simd_avx2.h"

#include "quant/quant.h"
#include "quant/ref/q4_0.h"

extern const struct cn_kernels cn_q4_0_avx2;

enum { OFFSET = 8 };

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const struct cn_block_q4_0 *b, const struct cn_block_q4_0 *b2,
                        const int8_t *q, const int8_t *q2)
{
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q);
    __m256i lo = _mm256_maddubs_epi16(_mm256_and_si256(v, nibble), load_pair(q, q2));
    __m256i hi = _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                                      load_pair(q + 16, q2 + 16));
    return _mm256_madd_epi16(_mm256_add_epi16(lo, hi), _mm256_set1_epi16(1));
}

static void gemv(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                 const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_q4_0 *b = row_at(w, r, row_bytes);
        __m256 acc[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() }, offset = _mm256_setzero_ps();
        int64_t c = 0;
        for (; c + 256 <= n_cols; c += 256, b += 8) {
            prefetch((const uint8_t *)b, 8 * sizeof *b);
            const __m256 d = halves_at((const uint8_t *)b, sizeof *b);
            const __m256 scale = _mm256_mul_ps(d, _mm256_loadu_ps(x->d + c / 32));
            offset = _mm256_fmadd_ps(d, _mm256_loadu_ps(x->sum32 + c / 32), offset);
            UNROLL for (int g = 0; g < 4; g++)
            {
                const int8_t *q = x->q + c + 32 * g;
                acc[g % 2] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_pair(b + g, b + g + 4, q, q + 128)),
                                    LANE_BROADCAST(scale, g), acc[g % 2]);
            }
        }
        float sum = 0;
        for (; c < n_cols; c += 32, b++) {
            const float d = half_at(&b->d);
            acc[0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_u8(nibbles(b->q), load256(x->q + c))),
                                     _mm256_set1_ps(d * x->d[c / 32]), acc[0]);
            sum += d * x->sum32[c / 32];
        }
        y[r] = sum_ps(_mm256_fnmadd_ps(_mm256_set1_ps(OFFSET), offset,
                                       _mm256_add_ps(acc[0], acc[1]))) -
               OFFSET * sum;
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_q4_0 *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        put_codes(codes, chunk_stride, c, nibbles(b->q));
    }
}

const struct cn_kernels cn_q4_0_avx2 = {
    .gemv = gemv,
    .unpack = unpack,
    .panel = {.code_max = 15, .offset = OFFSET, .sub = 32},
};

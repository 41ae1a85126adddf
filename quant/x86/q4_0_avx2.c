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
#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/q4_0.h"

extern const struct cn_kernels cn_q4_0_avx2;

enum { OFFSET = 8 };

/* Codes times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_q4_0 *b = first, *b2 = second;
    const __m256i nibble = _mm256_set1_epi8(15), v = load_pair(b->q, b2->q);
    return dot_two(_mm256_and_si256(v, nibble), _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble),
                   load_pair(q, q2), load_pair(q + 16, q2 + 16));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof(struct cn_block_q4_0)));
    return step_of_pairs(dot_pair, sizeof(struct cn_block_q4_0), scales,
                         offset_sums(scales, OFFSET, sum32), bytes, q, d, total);
}

static void q4_0_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                           const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_q4_0), n_rows, n_cols, w, row_bytes, x, y);
}

static void q4_0_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
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
    .gemv = q4_0_gemv_avx2,
    .unpack = q4_0_unpack_avx2,
    .panel = {.code_max = 15, .offset = OFFSET, .sub = 32},
};

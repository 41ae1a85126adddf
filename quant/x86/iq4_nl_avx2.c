/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL for AVX2.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * level[code]
 *
 * Blocks g and g + 4 of eight share a vector, one in each half: vpshufb turns their nibbles to
 * levels, whose sign goes to the activations. Scales are made eight at a time.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, one terms a block.
 */
#include "quant/x86/gemv_steps_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_nl.h"

extern const struct cn_kernels cn_iq4_nl_avx2;

enum { OFFSET = 127 };

/* Levels times activations of the blocks b and b2 (columns q and q2): a block in each half. */
ALWAYS __m256i dot_pair(const void *first, const void *second, const int8_t *q, const int8_t *q2)
{
    const struct cn_block_iq4_nl *b = first, *b2 = second;
    const __m256i levels = load_twice(cn_iq4_levels), nibble = _mm256_set1_epi8(15);
    const __m256i v = load_pair(b->q, b2->q);
    const __m256i lo = _mm256_shuffle_epi8(levels, _mm256_and_si256(v, nibble));
    const __m256i hi =
        _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    return _mm256_add_epi32(dot_i8(lo, load_pair(q, q2)), dot_i8(hi, load_pair(q + 16, q2 + 16)));
}

/* Eight blocks; see gemv_by_steps. */
ALWAYS __m256 step(const uint8_t *bytes, const int8_t *q, const float *d, const float *sum32,
                   __m256 total)
{
    const __m256 scales = _mm256_cvtph_ps(words_at(bytes, sizeof(struct cn_block_iq4_nl)));
    (void)sum32;
    return step_of_pairs(dot_pair, sizeof(struct cn_block_iq4_nl), scales, _mm256_setzero_ps(),
                         bytes, q, d, total);
}

static void iq4_nl_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                             const struct cn_act *x, float *y)
{
    gemv_by_steps(step, sizeof(struct cn_block_iq4_nl), n_rows, n_cols, w, row_bytes, x, y);
}

static void iq4_nl_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                               float *scale, float *min)
{
    const struct cn_block_iq4_nl *b = row;
    const __m256i levels = _mm256_add_epi8(load_twice(cn_iq4_levels), _mm256_set1_epi8(OFFSET));
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 32, b++) {
        *scale++ = half_at(&b->d);
        put_codes(codes, chunk_stride, c, _mm256_shuffle_epi8(levels, nibbles(b->q)));
    }
}

const struct cn_kernels cn_iq4_nl_avx2 = {
    .gemv = iq4_nl_gemv_avx2,
    .unpack = iq4_nl_unpack_avx2,
    .panel = {.code_max = 240, .offset = OFFSET, .sub = 32},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for AVX2. Block, idea: iq4_xs_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/iq4_xs_avx2.h"

#include "quant/x86/gemm_small_avx2.h"

extern const struct cn_kernels cn_iq4_xs_avx2;

X86_GEMV(iq4_xs, avx2)

static void iq4_xs_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                               float *scale, float *min)
{
    const __m256i levels = _mm256_add_epi8(load_twice(cn_iq4_levels), _mm256_set1_epi8(OFFSET));
    const struct cn_block_iq4_xs *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)), scales_of(b)));
        for (int g = 0; g < 8; g++)
            put_codes(codes, chunk_stride, c + 32 * g,
                      _mm256_shuffle_epi8(levels, nibbles(b->q + 16 * g)));
    }
}

/* Low nibbles are the first, high ones the second 16 columns of a group. */
static void iq4_xs_small_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes,
                                     float *scale, float *min)
{
    const __m256i levels = load_twice(cn_iq4_levels), nibble = _mm256_set1_epi8(15);
    const struct cn_block_iq4_xs *b = blocks;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)), scales_of(b)));
        UNROLL for (int h = 0; h < 2; h++)
        {
            __m256i v[4];
            UNROLL for (int g = 0; g < 4; g++)
            {
                v[g] = load_pair(b->q + 16 * g, b->q + 16 * g + 64);
                v[g] = _mm256_and_si256(h ? _mm256_srli_epi16(v[g], 4) : v[g], nibble);
                v[g] = _mm256_shuffle_epi8(levels, v[g]);
            }
            turn4(v);
            UNROLL for (int i = 0; i < 4; i++, codes += 64) store_words(codes, v[i]);
        }
    }
}

static const struct cn_small_format iq4_xs_small_avx2 = { .unpack = iq4_xs_small_unpack_avx2 };

const struct cn_kernels cn_iq4_xs_avx2 = {
    .gemv = iq4_xs_gemv_avx2,
    .unpack = iq4_xs_unpack_avx2,
    .small = &iq4_xs_small_avx2,
    .panel = {.code_max = 240, .offset = OFFSET, .sub = 32},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for AVX2. Block, idea: iq4_xs_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/iq4_xs_avx2.h"

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

const struct cn_kernels cn_iq4_xs_avx2 = {
    .gemv = iq4_xs_gemv_avx2,
    .unpack = iq4_xs_unpack_avx2,
    .panel = {.code_max = 240, .offset = OFFSET, .sub = 32},
};

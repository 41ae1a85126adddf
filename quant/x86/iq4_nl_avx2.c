/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL for AVX2. Block, idea: iq4_nl_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, one terms a block.
 */
#include "quant/x86/iq4_nl_avx2.h"

extern const struct cn_kernels cn_iq4_nl_avx2;

X86_GEMV(iq4_nl, avx2)

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

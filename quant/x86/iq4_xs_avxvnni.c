/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for AVX-VNNI. Block, idea: iq4_xs_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, eight terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/gemm_small_avx2.h"
#include "quant/x86/iq4_xs_avx2.h"

extern const struct cn_kernels cn_iq4_xs_avxvnni;

X86_GEMV(iq4_xs, avxvnni)

/* Low nibbles are the first, high ones the second 16 columns of a group. */
ALWAYS void unit(const uint8_t *block, const int u, struct small_codes *to)
{
    const __m256i levels = _mm256_add_epi8(load_twice(cn_iq4_levels), _mm256_set1_epi8(OFFSET)),
                  nibble = _mm256_set1_epi8(15);
    const struct cn_block_iq4_xs *b = (const void *)block;
    (void)u;
    to->scale = _mm256_mul_ps(_mm256_set1_ps(half_at(&b->d)), scales_of(b));
    UNROLL for (int g = 0; g < 4; g++)
    {
        const __m256i v = load_pair(b->q + 16 * g, b->q + 16 * g + 64);
        to->w[g] = _mm256_shuffle_epi8(levels, _mm256_and_si256(v, nibble));
        to->w[4 + g] =
            _mm256_shuffle_epi8(levels, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    }
    turn4(to->w);
    turn4(to->w + 4);
}

SMALL_FORMAT(iq4_xs, avxvnni, sizeof(struct cn_block_iq4_xs), 1, false, 8, 32, CN_SMALL_SUMS)

const struct cn_kernels cn_iq4_xs_avxvnni = { .gemv = iq4_xs_gemv_avxvnni,
                                              .small = &iq4_xs_small_avxvnni };

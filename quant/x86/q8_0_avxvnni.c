/* SPDX-License-Identifier: MIT
 *
 * Q8_0 for AVX-VNNI. Block, idea: q8_0_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, one term a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/gemm_small_avx2.h"
#include "quant/x86/q8_0_avx2.h"

extern const struct cn_kernels cn_q8_0_avxvnni;

X86_GEMV(q8_0, avxvnni)

/* Eight blocks are a unit. */
ALWAYS void unit(const uint8_t *blocks, const int u, struct small_codes *to)
{
    const struct cn_block_q8_0 *b = (const void *)blocks;
    (void)u;
    to->scale = _mm256_cvtph_ps(words_at(blocks, sizeof *b));
    UNROLL for (int h = 0; h < 2; h++)
    {
        UNROLL for (int g = 0; g < 4; g++) to->w[4 * h + g] =
            signed_codes(load_pair(b[g].q + 16 * h, b[g + 4].q + 16 * h));
        turn4(to->w + 4 * h);
    }
}

SMALL_FORMAT(q8_0, avxvnni, 8 * sizeof(struct cn_block_q8_0), 1, false, 8, 32, CN_SMALL_SUMS)

const struct cn_kernels cn_q8_0_avxvnni = { .gemv = q8_0_gemv_avxvnni,
                                            .small = &q8_0_small_avxvnni };

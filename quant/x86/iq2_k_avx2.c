/* SPDX-License-Identifier: MIT
 *
 * IQ2_K for AVX2.
 *
 *   | d f16 | u16 shifts | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x 2-bit code |
 *
 * A nibble has the codes of two groups: vpshufb looks up either with a table of its own. The scales
 * of groups of 16, as 16-bit numbers, are the factors of vpmaddwd. See gemv_levels.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, ten terms a block.
 */
#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_k.h"

extern const struct cn_kernels cn_iq2_k_avx2;

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq2_k *b = (const void *)bytes;
    return levels_of_2_bits(b->q, cn_iq2_levels, 31, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq2_k *b = (const void *)bytes;
    return _mm256_cvtepi8_epi16(_mm_sub_epi8(nibbles_of8(b->scale), _mm_set1_epi8(8)));
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq2_k *b = (const void *)bytes;
    return words_of_bits(b->shift);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq2_k),
    .sub = 16,
    .shift = CN_IQ2_SHIFT,
    .offset = 31,
    .largest = 48,
    .panel_offset = 31,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

LEVEL_KERNELS(iq2_k)

const struct cn_kernels cn_iq2_k_avx2 = {
    .gemv = iq2_k_gemv_avx2,
    .unpack = iq2_k_unpack_avx2,
    .panel = {.code_max = 53, .offset = 31, .sub = 16},
};

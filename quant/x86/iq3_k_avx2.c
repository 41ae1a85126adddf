/* SPDX-License-Identifier: MIT
 *
 * IQ3_K for AVX2.
 *
 *   | d f16 | u16 shifts | u16 signs | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x low 2 bits |
 *   | 32 bytes: third bits |
 *
 * A nibble has the codes of two groups: vpshufb looks up either with a table of its own.
 * vpblendvb chooses by the third bit. The scales of groups of 16, as 16-bit numbers, are the
 * factors of vpmaddwd. See gemv_levels.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, ten terms a block.
 */
#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq3_k.h"

extern const struct cn_kernels cn_iq3_k_avx2;

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq3_k *b = (const void *)bytes;
    return levels_of_3_bits(b->q, b->hi, cn_iq3_levels, 63, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq3_k *b = (const void *)bytes;
    const __m256i negative = words_of_bits(b->negative);
    return _mm256_sub_epi16(_mm256_xor_si256(odd_scales(b->scale), negative), negative);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq3_k *b = (const void *)bytes;
    return words_of_bits(b->shift);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq3_k),
    .sub = 16,
    .shift = CN_IQ3_SHIFT,
    .offset = 63,
    .largest = 110,
    .panel_offset = 63,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

LEVEL_KERNELS(iq3_k)

const struct cn_kernels cn_iq3_k_avx2 = {
    .gemv = iq3_k_gemv_avx2,
    .unpack = iq3_k_unpack_avx2,
    .panel = {.code_max = 114, .offset = 63, .sub = 16},
};

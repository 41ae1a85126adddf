/* SPDX-License-Identifier: MIT
 *
 * IQ5_K for AVX2.
 *
 *   | d f16 | u16 shifts | 4 bytes: high 2 bits, 8 bytes: low 4 bits of 16 scales |
 *   | 128 bytes: 256 x low 4 bits | 32 bytes: fifth bits |
 *
 * Two vpshufb look up nibbles among the lower and the upper 16 levels, vpblendvb chooses by the
 * fifth bit; the scales of groups of 16, as 16-bit numbers, are the factors of vpmaddwd. See
 * gemv_levels.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, ten terms a block.
 */
#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq5_k.h"

extern const struct cn_kernels cn_iq5_k_avx2;

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq5_k *b = (const void *)bytes;
    return levels_of_5_bits(b->q, b->hi, cn_iq5_levels, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq5_k *b = (const void *)bytes;
    return scales_of_6_bits(b->scale_hi, b->scale_lo);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq5_k *b = (const void *)bytes;
    return words_of_bits(b->shift);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq5_k),
    .sub = 16,
    .shift = CN_IQ5_SHIFT,
    .panel_offset = 126,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

LEVEL_KERNELS(iq5_k)

const struct cn_kernels cn_iq5_k_avx2 = {
    .gemv = iq5_k_gemv_avx2,
    .unpack = iq5_k_unpack_avx2,
    .panel = {.code_max = 249, .offset = 126, .sub = 16},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ6_K for AVX2.
 *
 *   | d f16 | u16 shifts | 16 signed byte scales | 128 bytes: 256 x low 4 bits |
 *   | 64 bytes: 256 x high 2 bits |
 *
 * Four vpshufb look up nibbles in the quarters of the levels, vpblendvb chooses by the high bits,
 * one at a time; the scales of groups of 16, as 16-bit numbers, are the factors of vpmaddwd. See
 * gemv_levels.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, ten terms a block.
 */
#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq6_k.h"

extern const struct cn_kernels cn_iq6_k_avx2;

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq6_k *b = (const void *)bytes;
    const __m256i low = low_nibbles(b->q, g, h);
    const __m256i high = load_pair(b->hi + 16 * h, b->hi + 16 * h + 32);
    /* vpblendvb looks at bit 7, so the others need not be masked. */
    const __m256i fifth = _mm256_slli_epi16(high, 7 - 2 * g),
                  sixth = g < 3 ? _mm256_slli_epi16(high, 6 - 2 * g) : high;
    __m256i v[4];
    UNROLL for (int i = 0; i < 4; i++) v[i] =
        _mm256_shuffle_epi8(load_twice(cn_iq6_k_levels + 16 * i), low);
    return _mm256_blendv_epi8(_mm256_blendv_epi8(v[0], v[1], fifth),
                              _mm256_blendv_epi8(v[2], v[3], fifth), sixth);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq6_k *b = (const void *)bytes;
    return _mm256_cvtepi8_epi16(load128(b->scale));
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq6_k *b = (const void *)bytes;
    return words_of_bits(b->shift);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq6_k),
    .sub = 16,
    .shift = CN_IQ6_SHIFT,
    .panel_offset = 127,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

LEVEL_KERNELS(iq6_k)

const struct cn_kernels cn_iq6_k_avx2 = {
    .gemv = iq6_k_gemv_avx2,
    .unpack = iq6_k_unpack_avx2,
    .panel = {.code_max = 249, .offset = 127, .sub = 16},
};

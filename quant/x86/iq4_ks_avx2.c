/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS for AVX2.
 *
 *   row: | d f32 | blocks |;  block: | 8 scale bytes | 128 bytes: 256 x 4-bit
 * code |
 *
 * vpshufb turns nibbles to levels. See gemv_levels.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/gemv_levels_avx2.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq4_ks.h"

extern const struct cn_kernels cn_iq4_ks_avx2;

ALWAYS __m256i levels(const uint8_t *bytes, const int g, const int h)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    return levels_of_4_bits(b->q, cn_iq4_levels, g, h);
}

ALWAYS __m256i scales(const uint8_t *bytes)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    return scales_of_bytes(b->scale);
}

ALWAYS __m256i shifted(const uint8_t *bytes)
{
    const struct cn_block_iq4_ks *b = (const void *)bytes;
    return shifted_of_bytes(b->scale);
}

static const struct level_format format = {
    .block_bytes = sizeof(struct cn_block_iq4_ks),
    .header_bytes = sizeof(float),
    .sub = 32,
    .shift = CN_IQ4_SHIFT,
    .panel_offset = 127,
    .levels = levels,
    .scales = scales,
    .shifted = shifted,
};

LEVEL_KERNELS(iq4_ks)

const struct cn_kernels cn_iq4_ks_avx2 = {
    .gemv = iq4_ks_gemv_avx2,
    .unpack = iq4_ks_unpack_avx2,
    .panel = {.code_max = 244, .offset = 127, .sub = 32},
};

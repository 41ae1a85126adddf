/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS, the definition.
 *
 *   row: | d f16 | blocks |;
 *   block: | u16 shifts, high scale bits | 4 bytes: low 4 bits of 8 scales | 64 bytes: 256 x 2-bit
 * code |
 *
 *   w = d * (scale[g] - 16) * (level[code] + 5 * shift[g]),  g = element / 32
 */
#include "quant/ref/iq2_ks.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq2_ks_ref;

enum { BLOCK = 256, GROUP = 32, OFFSET = 31 };

static float iq2_ks_scale_at_ref(const struct cn_block_iq2_ks *b, int g)
{
    int lo = b->scale[g / 2] >> (4 * (g % 2)) & 15, hi = b->extra >> (8 + g) & 1;
    return (float)((lo | hi << 4) - 16);
}

static int iq2_ks_level_at_ref(const struct cn_block_iq2_ks *b, int e)
{
    return cn_iq2_levels[cn_iq_k_pair(b->q, e)] + (b->extra >> (e / GROUP) & 1) * CN_IQ2_SHIFT;
}

CN_REF_LEVELS_HEADED(iq2_ks, 1, 2)
CN_REF_GEMV_HEADED(iq2_ks, 2)

static void iq2_ks_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq2_ks *b = block;
    memset(b, 0, sizeof *b);
    for (int g = 0; g < BLOCK / GROUP; g++) {
        b->extra |= (uint16_t)(codes->shift[g] << g | codes->scale[g] >> 4 << (8 + g));
        b->scale[g / 2] |= (uint8_t)((codes->scale[g] & 15) << (4 * (g % 2)));
    }
    for (int e = 0; e < BLOCK; e++)
        cn_iq_k_set_pair(b->q, e, codes->code[e]);
}

static void iq2_ks_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 4,
        .levels = cn_iq2_levels,
        .shift = CN_IQ2_SHIFT,
        .scale_lo = -16,
        .scale_step = 1,
        .n_scales = 32,
        .block_bytes = sizeof(struct cn_block_iq2_ks),
        .header_bytes = 2,
        .base = CN_WEIGHTS_FLAT,
        .put = iq2_ks_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq2_ks_ref = {
    .dequantize = iq2_ks_dequantize_ref,
    .quantize = iq2_ks_quantize_ref,
    .kernels = {.gemv = iq2_ks_gemv_ref,
                .unpack = iq2_ks_unpack_ref,
                .panel = { .code_max = 53, .offset = OFFSET, .sub = GROUP }},
};

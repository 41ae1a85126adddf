/* SPDX-License-Identifier: MIT
 *
 * IQ2_K, the definition.
 *
 *   | d f16 | u16 shifts | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x 2-bit code |
 *
 *   w = d * (scale[g] - 8) * (level[code] + 5 * shift[g]),  g = element / 16
 */
#include "quant/ref/iq2_k.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq2_k_ref;

enum { BLOCK = 256, GROUP = 16, OFFSET = 31 };

static float iq2_k_scale_at_ref(const struct cn_block_iq2_k *b, int g)
{
    return cn_f16_to_f32(b->d) * (float)((b->scale[g / 2] >> (4 * (g % 2)) & 15) - 8);
}

static int iq2_k_level_at_ref(const struct cn_block_iq2_k *b, int e)
{
    return cn_iq2_levels[cn_iq_k_pair(b->q, e)] + (b->shift >> (e / GROUP) & 1) * CN_IQ2_SHIFT;
}

CN_REF_LEVELS(iq2_k, 1)
CN_REF_GEMV(iq2_k)

static void iq2_k_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq2_k *b = block;
    memset(b, 0, sizeof *b);
    b->d = codes->d;
    for (int g = 0; g < BLOCK / GROUP; g++) {
        b->shift |= (uint16_t)(codes->shift[g] << g);
        b->scale[g / 2] |= (uint8_t)(codes->scale[g] << (4 * (g % 2)));
    }
    for (int e = 0; e < BLOCK; e++)
        cn_iq_k_set_pair(b->q, e, codes->code[e]);
}

static void iq2_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 4,
        .levels = cn_iq2_levels,
        .shift = CN_IQ2_SHIFT,
        .scale_lo = -8,
        .scale_step = 1,
        .n_scales = 16,
        .block_bytes = sizeof(struct cn_block_iq2_k),
        .base = CN_WEIGHTS_FLAT,
        .put = iq2_k_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq2_k_ref = {
    .dequantize = iq2_k_dequantize_ref,
    .quantize = iq2_k_quantize_ref,
    .kernels = {.gemv = iq2_k_gemv_ref,
                .unpack = iq2_k_unpack_ref,
                .panel = { .code_max = 53, .offset = OFFSET, .sub = GROUP }},
};

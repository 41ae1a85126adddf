/* SPDX-License-Identifier: MIT
 *
 * IQ4_K, the definition.
 *
 *   | d f16 | u16 shifts | 4 bytes: high 2 bits, 8 bytes: low 4 bits of 16 scales |
 *   | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * (scale[g] - 32) * (level[code] + 4 * shift[g]),  g = element / 16
 */
#include "quant/ref/iq4_k.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq4_k_ref;

enum { BLOCK = 256, GROUP = 16, OFFSET = 127 };

static float iq4_k_scale_at_ref(const struct cn_block_iq4_k *b, int g)
{
    return cn_f16_to_f32(b->d) * (float)(cn_iq_k_scale6(b->scale_hi, b->scale_lo, g) - 32);
}

static int iq4_k_level_at_ref(const struct cn_block_iq4_k *b, int e)
{
    return cn_iq4_levels[cn_nibble(b->q + 16 * (e / 32), e % 32)] +
           (b->shift >> (e / GROUP) & 1) * CN_IQ4_SHIFT;
}

CN_REF_LEVELS(iq4_k, 1)
CN_REF_GEMV(iq4_k)

static void iq4_k_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq4_k *b = block;
    memset(b, 0, sizeof *b);
    b->d = codes->d;
    for (int g = 0; g < BLOCK / GROUP; g++) {
        b->shift |= (uint16_t)(codes->shift[g] << g);
        cn_iq_k_set_scale6(b->scale_hi, b->scale_lo, g, codes->scale[g]);
    }
    for (int e = 0; e < BLOCK; e++)
        cn_set_nibble(b->q + 16 * (e / 32), e % 32, codes->code[e]);
}

static void iq4_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 16,
        .levels = cn_iq4_levels,
        .shift = CN_IQ4_SHIFT,
        .scale_lo = -32,
        .scale_step = 1,
        .n_scales = 64,
        .block_bytes = sizeof(struct cn_block_iq4_k),
        .base = CN_WEIGHTS_FLAT,
        .put = iq4_k_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq4_k_ref = {
    .dequantize = iq4_k_dequantize_ref,
    .quantize = iq4_k_quantize_ref,
    .kernels = {.gemv = iq4_k_gemv_ref,
                .unpack = iq4_k_unpack_ref,
                .panel = { .code_max = 244, .offset = OFFSET, .sub = GROUP }},
};

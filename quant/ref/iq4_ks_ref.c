/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS, the definition.
 *
 *   row: | d f32 | blocks |;  block: | 8 scale bytes s | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * ((s[g] & 254) - 127) * (level[code] + 4 * (s[g] & 1)),  g = element / 32;
 *   the first product is rounded before the second is made
 */
#include "quant/ref/iq4_ks.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq4_ks_ref;

enum { BLOCK = 256, GROUP = 32, OFFSET = 127 };

static float iq4_ks_scale_at_ref(const struct cn_block_iq4_ks *b, int g)
{
    return (float)cn_iq_k_byte_scale(b->scale[g]);
}

static int iq4_ks_level_at_ref(const struct cn_block_iq4_ks *b, int e)
{
    return cn_iq4_levels[cn_nibble(b->q + 16 * (e / GROUP), e % GROUP)] +
           (b->scale[e / GROUP] & 1) * CN_IQ4_SHIFT;
}

CN_REF_LEVELS_HEADED(iq4_ks, 1, 4)
CN_REF_GEMV_HEADED(iq4_ks, 4)

static void iq4_ks_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq4_ks *b = block;
    memset(b, 0, sizeof *b);
    for (int g = 0; g < BLOCK / GROUP; g++)
        b->scale[g] = cn_iq_k_scale_byte(codes->scale[g], codes->shift[g]);
    for (int e = 0; e < BLOCK; e++)
        cn_set_nibble(b->q + 16 * (e / GROUP), e % GROUP, codes->code[e]);
}

static void iq4_ks_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 16,
        .levels = cn_iq4_levels,
        .shift = CN_IQ4_SHIFT,
        .scale_lo = -127,
        .scale_step = 2,
        .n_scales = 128,
        .block_bytes = sizeof(struct cn_block_iq4_ks),
        .header_bytes = 4,
        .base = CN_WEIGHTS_FLAT,
        .put = iq4_ks_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq4_ks_ref = {
    .dequantize = iq4_ks_dequantize_ref,
    .quantize = iq4_ks_quantize_ref,
    .kernels = {.gemv = iq4_ks_gemv_ref,
                .unpack = iq4_ks_unpack_ref,
                .panel = { .code_max = 244, .offset = OFFSET, .sub = GROUP }},
};

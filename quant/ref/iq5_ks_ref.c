/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS, the definition.
 *
 *   row: | d f32 | blocks |;
 *   block: | 8 scale bytes s | 128 bytes: 256 x low 4 bits | 32 bytes: fifth bits |
 *
 *   w = d * ((s[g] & 254) - 127) * (level[code] + 2 * (s[g] & 1)),  g = element / 32;
 *   the first product is rounded before the second is made
 */
#include "quant/ref/iq5_ks.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq5_ks_ref;

enum { BLOCK = 256, GROUP = 32, OFFSET = 126 };

static float iq5_ks_scale_at_ref(const struct cn_block_iq5_ks *b, int g)
{
    return (float)cn_iq_k_byte_scale(b->scale[g]);
}

static int iq5_ks_level_at_ref(const struct cn_block_iq5_ks *b, int e)
{
    int code = cn_iq_k_nibble(b->q, e) | cn_iq_k_bit(b->hi, e) << 4;
    return cn_iq5_levels[code] + (b->scale[e / GROUP] & 1) * CN_IQ5_SHIFT;
}

CN_REF_LEVELS_HEADED(iq5_ks, 1, 4)
CN_REF_GEMV_HEADED(iq5_ks, 4)

static void iq5_ks_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq5_ks *b = block;
    memset(b, 0, sizeof *b);
    for (int g = 0; g < BLOCK / GROUP; g++)
        b->scale[g] = cn_iq_k_scale_byte(codes->scale[g], codes->shift[g]);
    for (int e = 0; e < BLOCK; e++) {
        cn_iq_k_set_nibble(b->q, e, codes->code[e]);
        cn_iq_k_set_bit(b->hi, e, codes->code[e] >> 4);
    }
}

static void iq5_ks_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 32,
        .levels = cn_iq5_levels,
        .shift = CN_IQ5_SHIFT,
        .scale_lo = -127,
        .scale_step = 2,
        .n_scales = 128,
        .block_bytes = sizeof(struct cn_block_iq5_ks),
        .header_bytes = 4,
        .base = CN_WEIGHTS_FLAT,
        .put = iq5_ks_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq5_ks_ref = {
    .dequantize = iq5_ks_dequantize_ref,
    .quantize = iq5_ks_quantize_ref,
    .kernels = {.gemv = iq5_ks_gemv_ref,
                .unpack = iq5_ks_unpack_ref,
                .panel = { .code_max = 249, .offset = OFFSET, .sub = GROUP }},
};

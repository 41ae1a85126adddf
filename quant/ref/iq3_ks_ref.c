/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS, the definition.
 *
 *   row: | d f16 | blocks |;  block: | u16 high scale bits, shifts | 4 bytes: low 4 bits of 8
 * scales | | 64 bytes: 256 x low 2 bits | 32 bytes: third bits |
 *
 *   w = d * (scale[g] - 16) * (level[code] + 4 * shift[g]),  g = element / 32
 */
#include "quant/ref/iq3_ks.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq3_ks_ref;

enum { BLOCK = 256, GROUP = 32, OFFSET = 63 };

static float iq3_ks_scale_at_ref(const struct cn_block_iq3_ks *b, int g)
{
    int lo = b->scale[g % 4] >> (4 * (g / 4)) & 15, hi = b->extra >> g & 1;
    return (float)((lo | hi << 4) - 16);
}

static int iq3_ks_level_at_ref(const struct cn_block_iq3_ks *b, int e)
{
    int code = cn_iq_k_pair(b->q, e) | cn_iq_k_bit(b->hi, e) << 2;
    return cn_iq3_levels[code] + (b->extra >> (8 + e / GROUP) & 1) * CN_IQ3_SHIFT;
}

CN_REF_LEVELS_HEADED(iq3_ks, 1, 2)
CN_REF_GEMV_HEADED(iq3_ks, 2)

static void iq3_ks_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq3_ks *b = block;
    memset(b, 0, sizeof *b);
    for (int g = 0; g < BLOCK / GROUP; g++) {
        b->extra |= (uint16_t)(codes->scale[g] >> 4 << g | codes->shift[g] << (8 + g));
        b->scale[g % 4] |= (uint8_t)((codes->scale[g] & 15) << (4 * (g / 4)));
    }
    for (int e = 0; e < BLOCK; e++) {
        cn_iq_k_set_pair(b->q, e, codes->code[e]);
        cn_iq_k_set_bit(b->hi, e, codes->code[e] >> 2);
    }
}

static void iq3_ks_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 8,
        .levels = cn_iq3_levels,
        .shift = CN_IQ3_SHIFT,
        .scale_lo = -16,
        .scale_step = 1,
        .n_scales = 32,
        .block_bytes = sizeof(struct cn_block_iq3_ks),
        .header_bytes = 2,
        .base = CN_WEIGHTS_FLAT,
        .put = iq3_ks_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq3_ks_ref = {
    .dequantize = iq3_ks_dequantize_ref,
    .quantize = iq3_ks_quantize_ref,
    .kernels = {.gemv = iq3_ks_gemv_ref,
                .unpack = iq3_ks_unpack_ref,
                .panel = { .code_max = 114, .offset = OFFSET, .sub = GROUP }},
};

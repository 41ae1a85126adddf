/* SPDX-License-Identifier: MIT
 *
 * IQ3_K, the definition.
 *
 *   | d f16 | u16 shifts | u16 signs | 8 bytes: 16 x 4-bit scale | 64 bytes: 256 x low 2 bits |
 *   | 32 bytes: third bits |
 *
 *   w = d * (2 * scale[g] + 1) * (level[code] + 4 * shift[g]),  g = element / 16, negated where its
 *   bit of the signs is set
 */
#include "quant/ref/iq3_k.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq3_k_ref;

enum { BLOCK = 256, GROUP = 16, OFFSET = 63 };

static float iq3_k_scale_at_ref(const struct cn_block_iq3_k *b, int g)
{
    int scale = 2 * (b->scale[g / 2] >> (4 * (g % 2)) & 15) + 1;
    return cn_f16_to_f32(b->d) * (float)(b->negative >> g & 1 ? -scale : scale);
}

static int iq3_k_level_at_ref(const struct cn_block_iq3_k *b, int e)
{
    int code = cn_iq_k_pair(b->q, e) | cn_iq_k_bit(b->hi, e) << 2;
    return cn_iq3_levels[code] + (b->shift >> (e / GROUP) & 1) * CN_IQ3_SHIFT;
}

CN_REF_LEVELS(iq3_k, 1)
CN_REF_GEMV(iq3_k)

static void iq3_k_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq3_k *b = block;
    memset(b, 0, sizeof *b);
    b->d = codes->d;
    for (int g = 0; g < BLOCK / GROUP; g++) {
        /* Scales -31, -29, ..., 31 by number. */
        const int negative = codes->scale[g] < 16;
        const int scale = negative ? 15 - codes->scale[g] : codes->scale[g] - 16;
        b->shift |= (uint16_t)(codes->shift[g] << g);
        b->negative |= (uint16_t)(negative << g);
        b->scale[g / 2] |= (uint8_t)(scale << (4 * (g % 2)));
    }
    for (int e = 0; e < BLOCK; e++) {
        cn_iq_k_set_pair(b->q, e, codes->code[e]);
        cn_iq_k_set_bit(b->hi, e, codes->code[e] >> 2);
    }
}

static void iq3_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 8,
        .levels = cn_iq3_levels,
        .shift = CN_IQ3_SHIFT,
        .scale_lo = -31,
        .scale_step = 2,
        .n_scales = 32,
        .block_bytes = sizeof(struct cn_block_iq3_k),
        .base = CN_WEIGHTS_FLAT,
        .put = iq3_k_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq3_k_ref = {
    .dequantize = iq3_k_dequantize_ref,
    .quantize = iq3_k_quantize_ref,
    .kernels = {.gemv = iq3_k_gemv_ref,
                .unpack = iq3_k_unpack_ref,
                .panel = { .code_max = 114, .offset = OFFSET, .sub = GROUP }},
};

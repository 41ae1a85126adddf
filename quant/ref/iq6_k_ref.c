/* SPDX-License-Identifier: MIT
 *
 * IQ6_K, the definition.
 *
 *   | d f16 | u16 shifts | 16 signed byte scales | 128 bytes: 256 x low 4 bits |
 *   | 64 bytes: 256 x high 2 bits |
 *
 *   w = d * scale[g] * (level[code] + shift[g]),  g = element / 16
 */
#include "quant/ref/iq6_k.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq6_k_ref;

enum { BLOCK = 256, GROUP = 16, OFFSET = 127 };

const int8_t cn_iq6_k_levels[64] = { -127, -121, -115, -109, -104, -98, -93, -88, -84, -79, -74,
                                     -70,  -66,  -62,  -58,  -54,  -51, -47, -44, -40, -37, -34,
                                     -31,  -28,  -25,  -22,  -19,  -16, -13, -11, -8,  -5,  -2,
                                     0,    3,    6,    9,    12,   14,  17,  20,  23,  27,  30,
                                     33,   36,   40,   44,   47,   51,  55,  59,  63,  68,  72,
                                     77,   82,   87,   92,   98,   103, 109, 115, 121 };

static float iq6_k_scale_at_ref(const struct cn_block_iq6_k *b, int g)
{
    return cn_f16_to_f32(b->d) * b->scale[g];
}

static int iq6_k_level_at_ref(const struct cn_block_iq6_k *b, int e)
{
    int code = cn_iq_k_nibble(b->q, e) | cn_iq_k_pair(b->hi, e) << 4;
    return cn_iq6_k_levels[code] + (b->shift >> (e / GROUP) & 1) * CN_IQ6_SHIFT;
}

CN_REF_LEVELS(iq6_k, 1)
CN_REF_GEMV(iq6_k)

static void iq6_k_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq6_k *b = block;
    memset(b, 0, sizeof *b);
    b->d = codes->d;
    for (int g = 0; g < BLOCK / GROUP; g++) {
        b->shift |= (uint16_t)(codes->shift[g] << g);
        b->scale[g] = (int8_t)(codes->scale[g] - 127);
    }
    for (int e = 0; e < BLOCK; e++) {
        cn_iq_k_set_nibble(b->q, e, codes->code[e]);
        cn_iq_k_set_pair(b->hi, e, codes->code[e] >> 4);
    }
}

static void iq6_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 64,
        .levels = cn_iq6_k_levels,
        .shift = CN_IQ6_SHIFT,
        .scale_lo = -127,
        .scale_step = 1,
        .n_scales = 255,
        .block_bytes = sizeof(struct cn_block_iq6_k),
        .base = CN_WEIGHTS_FLAT,
        .put = iq6_k_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq6_k_ref = {
    .dequantize = iq6_k_dequantize_ref,
    .quantize = iq6_k_quantize_ref,
    .kernels = {.gemv = iq6_k_gemv_ref,
                .unpack = iq6_k_unpack_ref,
                .panel = { .code_max = 249, .offset = OFFSET, .sub = GROUP }},
};

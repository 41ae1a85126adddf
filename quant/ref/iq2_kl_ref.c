/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL, the definition.
 *
 *   row: | d f16 | blocks |;  block: | u16: high 2 bits, 4 bytes: low 4 bits of 8 scales |
 *   | 64 bytes: 128 x low 4 bits of a pair | 16 bytes: fifth bits |
 *
 *   w = d * (scale[g] - 32) * pair[code][element % 2],  g = element / 32
 */
#include "quant/ref/iq2_kl.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq2_kl_ref;

enum { BLOCK = 256, GROUP = 32, OFFSET = 63 };

const int8_t cn_iq2_kl_pairs[32][2] = {
    {-63,  -23},
    { -63, 13 },
    { -40, -63},
    { -40, -10},
    { -40, 13 },
    { -40, 47 },
    { -23, -40},
    { -23, -23},
    { -23, 1  },
    { -23, 13 },
    { -23, 28 },
    { -10, -63},
    { -10, 1  },
    { -10, 13 },
    { -10, 47 },
    { 1,   -23},
    { 1,   -10},
    { 1,   1  },
    { 1,   13 },
    { 1,   28 },
    { 13,  -40},
    { 13,  -23},
    { 13,  -10},
    { 13,  1  },
    { 13,  13 },
    { 28,  -63},
    { 28,  -23},
    { 28,  1  },
    { 28,  28 },
    { 28,  47 },
    { 47,  -23},
    { 47,  13 }
};

static float iq2_kl_scale_at_ref(const struct cn_block_iq2_kl *b, int g)
{
    int lo = b->scale_lo[g % 4] >> (4 * (g / 4)) & 15, hi = b->scale_hi >> (2 * g) & 3;
    return (float)((lo | hi << 4) - 32);
}

static int iq2_kl_level_at_ref(const struct cn_block_iq2_kl *b, int e)
{
    int g = e / GROUP, p = e % GROUP / 2;
    int code = (b->q[16 * (g / 2) + p] >> (4 * (g % 2)) & 15) | (b->hi[p] >> g & 1) << 4;
    return cn_iq2_kl_pairs[code][e % 2];
}

CN_REF_LEVELS_HEADED(iq2_kl, 1, 2)
CN_REF_GEMV_HEADED(iq2_kl, 2)

static void iq2_kl_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq2_kl *b = block;
    memset(b, 0, sizeof *b);
    for (int g = 0; g < BLOCK / GROUP; g++) {
        b->scale_hi |= (uint16_t)(codes->scale[g] >> 4 << (2 * g));
        b->scale_lo[g % 4] |= (uint8_t)((codes->scale[g] & 15) << (4 * (g / 4)));
    }
    for (int e = 0; e < BLOCK; e += 2) {
        const int g = e / GROUP, p = e % GROUP / 2, code = codes->code[e];
        b->q[16 * (g / 2) + p] |= (uint8_t)((code & 15) << (4 * (g % 2)));
        b->hi[p] |= (uint8_t)(code >> 4 << g);
    }
}

static void iq2_kl_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 8,
        .levels = cn_iq3_levels,
        .scale_lo = -32,
        .scale_step = 1,
        .n_scales = 64,
        .pairs = cn_iq2_kl_pairs,
        .n_pairs = 32,
        .block_bytes = sizeof(struct cn_block_iq2_kl),
        .header_bytes = 2,
        .base = CN_WEIGHTS_FLAT,
        .put = iq2_kl_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq2_kl_ref = {
    .dequantize = iq2_kl_dequantize_ref,
    .quantize = iq2_kl_quantize_ref,
    .kernels = {.gemv = iq2_kl_gemv_ref,
                .unpack = iq2_kl_unpack_ref,
                .panel = { .code_max = 110, .offset = OFFSET, .sub = GROUP }},
};

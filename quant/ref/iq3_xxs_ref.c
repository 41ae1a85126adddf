/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS, the definition.
 *
 *   | d f16 | 64 bytes: indices of runs of 4 | 8 x u32: 4 x 7-bit sign code, 4-bit scale |
 *
 *   w = d * (scale[e / 32] + 1/2) / 2 * (+-) grid[index][e % 4]
 *
 * The eighth sign of 8 makes the number of negative ones even. All magnitudes are even, so panels
 * hold half of them, and twice the scale.
 */
#include "quant/ref/iq3_xxs.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq3_xxs_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP, OFFSET = 31 };

/* clang-format off */
const uint32_t cn_iq3_xxs_grid[256] = {
#include "quant/ref/iq3_xxs_grid.inc"
};
/* clang-format on */

static float iq3_xxs_scale_at_ref(const struct cn_block_iq3_xxs *b, int g)
{
    return cn_f16_to_f32(b->d) * (0.5f + (float)(cn_ref_u32(b->rest[g]) >> 28)) * 0.5f;
}

static int iq3_xxs_level_at_ref(const struct cn_block_iq3_xxs *b, int e)
{
    int magnitude = cn_iq3_xxs_grid[b->index[e / 4]] >> (8 * (e % 4)) & 255;
    uint8_t signs = cn_iq_signs[cn_ref_u32(b->rest[e / GROUP]) >> (7 * (e % GROUP / 8)) & 127];
    return signs >> (e % 8) & 1 ? -magnitude : magnitude;
}

CN_REF_LEVELS(iq3_xxs, 2)
CN_REF_GEMV(iq3_xxs)

static const struct cn_grid_kind kind = {
    .entries = cn_iq3_xxs_grid,
    .n_entries = 256,
    .dims = 4,
    .n_levels = 8,
    .level = { { 4, 12, 20, 28, 36, 44, 52, 62 } },
    .group = GROUP,
    .signs = CN_SIGNS_EVEN,
    .scale_top = 15,
    .unit = 4, /* w = d / 4 * (2 * scale + 1) * level */
};

static void iq3_xxs_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq3_xxs *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        memset(b, 0, sizeof *b);
        b->d = cn_grid_quantize(&grid, x, w, &c);
        for (int k = 0; k < BLOCK / 4; k++)
            b->index[k] = (uint8_t)c.index[k];
        for (int g = 0; g < N_GROUPS; g++) {
            uint32_t rest = (uint32_t)c.scale[g] << 28;
            for (int run = 0; run < 4; run++)
                rest |= (uint32_t)(c.mask[4 * g + run] & 127) << (7 * run);
            cn_ref_put_u32(b->rest[g], rest);
        }
    }
}

const struct cn_reference cn_iq3_xxs_ref = {
    .dequantize = iq3_xxs_dequantize_ref,
    .quantize = iq3_xxs_quantize_ref,
    .kernels = {.gemv = iq3_xxs_gemv_ref,
                .unpack = iq3_xxs_unpack_ref,
                .panel = { .code_max = 62, .offset = OFFSET, .sub = GROUP }},
};

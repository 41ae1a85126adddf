/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS, the definition.
 *
 *   | d f16 | 8 x (4 bytes: indices of runs of 8 | u32: 4 x 7-bit sign code, 4-bit scale) |
 *
 *   w = d * (scale[e / 32] + 1/2) / 4 * (+-) grid[index][e % 8]
 *
 * The eighth sign of a run makes the number of negative ones even.
 */
#include "quant/ref/iq2_xxs.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq2_xxs_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP, OFFSET = 43 };

/* clang-format off */
const uint64_t cn_iq2_xxs_grid[256] = {
#include "quant/ref/iq2_xxs_grid.inc"
};
/* clang-format on */

static float iq2_xxs_scale_at_ref(const struct cn_block_iq2_xxs *b, int g)
{
    return cn_f16_to_f32(b->d) * (0.5f + (float)(cn_ref_u32(b->group[g].rest) >> 28)) * 0.25f;
}

static int iq2_xxs_level_at_ref(const struct cn_block_iq2_xxs *b, int e)
{
    int g = e / GROUP, run = e % GROUP / 8;
    int magnitude = cn_iq2_xxs_grid[b->group[g].index[run]] >> (8 * (e % 8)) & 255;
    uint8_t signs = cn_iq_signs[cn_ref_u32(b->group[g].rest) >> (7 * run) & 127];
    return signs >> (e % 8) & 1 ? -magnitude : magnitude;
}

CN_REF_LEVELS(iq2_xxs, 1)
CN_REF_GEMV(iq2_xxs)

static const struct cn_grid_kind kind = {
    .entries = cn_iq2_xxs_grid,
    .n_entries = 256,
    .dims = 8,
    .n_levels = 3,
    .level = { { 8, 25, 43 } },
    .group = GROUP,
    .signs = CN_SIGNS_EVEN,
    .scale_top = 15,
    .unit = 8, /* w = d / 8 * (2 * scale + 1) * level */
};

static void iq2_xxs_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq2_xxs *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        memset(b, 0, sizeof *b);
        b->d = cn_grid_quantize(&grid, x, w, &c);
        for (int g = 0; g < N_GROUPS; g++) {
            uint32_t rest = (uint32_t)c.scale[g] << 28;
            for (int run = 0; run < 4; run++) {
                b->group[g].index[run] = (uint8_t)c.index[4 * g + run];
                rest |= (uint32_t)(c.mask[4 * g + run] & 127) << (7 * run);
            }
            cn_ref_put_u32(b->group[g].rest, rest);
        }
    }
}

const struct cn_reference cn_iq2_xxs_ref = {
    .dequantize = iq2_xxs_dequantize_ref,
    .quantize = iq2_xxs_quantize_ref,
    .needs_weights = true,
    .kernels = {.gemv = iq2_xxs_gemv_ref,
                .unpack = iq2_xxs_unpack_ref,
                .panel = { .code_max = 86, .offset = OFFSET, .sub = GROUP }},
};

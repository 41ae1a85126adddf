/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS, the definition.
 *
 *   | d f16 | 32 x u16: 9-bit index of a run of 8, 7-bit sign code | 8 bytes: 16 x 4-bit scale |
 *
 *   w = d * (scale[e / 16] + 1/2) / 4 * (+-) grid[index][e % 8]
 *
 * The eighth sign of a run makes the number of negative ones even.
 */
#include "quant/ref/iq2_xs.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq2_xs_ref;

enum { BLOCK = 256, GROUP = 16, N_GROUPS = BLOCK / GROUP, N_RUNS = BLOCK / 8, OFFSET = 43 };

/* clang-format off */
const uint64_t cn_iq2_xs_grid[512] = {
#include "quant/ref/iq2_xs_grid.inc"
};
/* clang-format on */

static float iq2_xs_scale_at_ref(const struct cn_block_iq2_xs *b, int g)
{
    int s = b->scale[g / 2] >> (4 * (g % 2)) & 15;
    return cn_f16_to_f32(b->d) * (0.5f + (float)s) * 0.25f;
}

static int iq2_xs_level_at_ref(const struct cn_block_iq2_xs *b, int e)
{
    uint16_t run = b->run[e / 8];
    int magnitude = cn_iq2_xs_grid[run & 511] >> (8 * (e % 8)) & 255;
    return cn_iq_signs[run >> 9] >> (e % 8) & 1 ? -magnitude : magnitude;
}

CN_REF_LEVELS(iq2_xs, 1)
CN_REF_GEMV(iq2_xs)

static const struct cn_grid_kind kind = {
    .entries = cn_iq2_xs_grid,
    .n_entries = 512,
    .dims = 8,
    .n_levels = 3,
    .level = { { 8, 25, 43 } },
    .group = GROUP,
    .signs = CN_SIGNS_EVEN,
    .scale_top = 15,
    .unit = 8, /* w = d / 8 * (2 * scale + 1) * level */
};

static void iq2_xs_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq2_xs *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        memset(b, 0, sizeof *b);
        b->d = cn_grid_quantize(&grid, x, w, &c);
        for (int r = 0; r < N_RUNS; r++)
            b->run[r] = (uint16_t)(c.index[r] | (c.mask[r] & 127) << 9);
        for (int g = 0; g < N_GROUPS; g++)
            b->scale[g / 2] |= (uint8_t)(c.scale[g] << (4 * (g % 2)));
    }
}

const struct cn_reference cn_iq2_xs_ref = {
    .dequantize = iq2_xs_dequantize_ref,
    .quantize = iq2_xs_quantize_ref,
    .needs_weights = true,
    .kernels = {.gemv = iq2_xs_gemv_ref,
                .unpack = iq2_xs_unpack_ref,
                .panel = { .code_max = 86, .offset = OFFSET, .sub = GROUP }},
};

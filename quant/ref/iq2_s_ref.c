/* SPDX-License-Identifier: MIT
 *
 * IQ2_S, the definition.
 *
 *   | d f16 | 32 bytes: low index bits | 32 bytes: signs | 8 bytes: high index bits |
 *   | 8 bytes: 16 x 4-bit scale |
 *
 *   w = d * (scale[e / 16] + 1/2) / 4 * (+-) grid[index][e % 8]
 */
#include "quant/ref/iq2_s.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq2_s_ref;

enum { BLOCK = 256, GROUP = 16, N_GROUPS = BLOCK / GROUP, N_RUNS = BLOCK / 8, OFFSET = 43 };

/* clang-format off */
const uint64_t cn_iq2_s_grid[1024] = {
#include "quant/ref/iq2_s_grid.inc"
};
/* clang-format on */

static float iq2_s_scale_at_ref(const struct cn_block_iq2_s *b, int g)
{
    int s = b->scale[g / 2] >> (4 * (g % 2)) & 15;
    return cn_f16_to_f32(b->d) * (0.5f + (float)s) * 0.25f;
}

static int iq2_s_level_at_ref(const struct cn_block_iq2_s *b, int e)
{
    int run = e / 8, hi = b->index_hi[run / 4] >> (2 * (run % 4)) & 3;
    int magnitude = cn_iq2_s_grid[b->index[run] | hi << 8] >> (8 * (e % 8)) & 255;
    return b->signs[run] >> (e % 8) & 1 ? -magnitude : magnitude;
}

CN_REF_LEVELS(iq2_s, 1)
CN_REF_GEMV(iq2_s)

static const struct cn_grid_kind kind = {
    .entries = cn_iq2_s_grid,
    .n_entries = 1024,
    .dims = 8,
    .n_levels = 3,
    .level = { { 8, 25, 43 } },
    .group = GROUP,
    .signs = CN_SIGNS_FREE,
    .scale_top = 15,
    .unit = 8, /* w = d / 8 * (2 * scale + 1) * level */
};

static void iq2_s_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq2_s *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        memset(b, 0, sizeof *b);
        b->d = cn_grid_quantize(&grid, x, w, &c);
        for (int r = 0; r < N_RUNS; r++) {
            b->index[r] = (uint8_t)c.index[r];
            b->index_hi[r / 4] |= (uint8_t)(c.index[r] >> 8 << (2 * (r % 4)));
            b->signs[r] = c.mask[r];
        }
        for (int g = 0; g < N_GROUPS; g++)
            b->scale[g / 2] |= (uint8_t)(c.scale[g] << (4 * (g % 2)));
    }
}

const struct cn_reference cn_iq2_s_ref = {
    .dequantize = iq2_s_dequantize_ref,
    .quantize = iq2_s_quantize_ref,
    .kernels = {.gemv = iq2_s_gemv_ref,
                .unpack = iq2_s_unpack_ref,
                .panel = { .code_max = 86, .offset = OFFSET, .sub = GROUP }},
};

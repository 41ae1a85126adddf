/* SPDX-License-Identifier: MIT
 *
 * IQ3_S, the definition.
 *
 *   | d f16 | 64 bytes: low index bits | 8 bytes: ninth index bits | 32 bytes: signs |
 *   | 4 bytes: 8 x 4-bit scale |
 *
 *   w = d * (2 * scale[e / 32] + 1) * (+-) grid[index][e % 4]
 */
#include "quant/ref/iq3_s.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq3_s_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP, OFFSET = 15 };

/* clang-format off */
const uint32_t cn_iq3_s_grid[512] = {
#include "quant/ref/iq3_s_grid.inc"
};
/* clang-format on */

static float iq3_s_scale_at_ref(const struct cn_block_iq3_s *b, int g)
{
    int s = b->scale[g / 2] >> (4 * (g % 2)) & 15;
    return cn_f16_to_f32(b->d) * (float)(1 + 2 * s);
}

static int iq3_s_level_at_ref(const struct cn_block_iq3_s *b, int e)
{
    int k = e / 4, index = b->index[k] | (b->index_hi[k / 8] >> (k % 8) & 1) << 8;
    int magnitude = cn_iq3_s_grid[index] >> (8 * (e % 4)) & 255;
    return b->signs[e / 8] >> (e % 8) & 1 ? -magnitude : magnitude;
}

CN_REF_LEVELS(iq3_s, 1)
CN_REF_GEMV(iq3_s)

static const struct cn_grid_kind kind = {
    .entries = cn_iq3_s_grid,
    .n_entries = 512,
    .dims = 4,
    .n_levels = 8,
    .level = { { 1, 3, 5, 7, 9, 11, 13, 15 } },
    .group = GROUP,
    .signs = CN_SIGNS_FREE,
    .scale_top = 15,
    .unit = 1, /* w = d * (2 * scale + 1) * level */
};

static void iq3_s_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq3_s *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_FLAT, w);
        memset(b, 0, sizeof *b);
        b->d = cn_grid_quantize(&grid, x, w, &c);
        for (int k = 0; k < BLOCK / 4; k++) {
            b->index[k] = (uint8_t)c.index[k];
            b->index_hi[k / 8] |= (uint8_t)(c.index[k] >> 8 << (k % 8));
        }
        memcpy(b->signs, c.mask, sizeof b->signs);
        for (int g = 0; g < N_GROUPS; g++)
            b->scale[g / 2] |= (uint8_t)(c.scale[g] << (4 * (g % 2)));
    }
}

const struct cn_reference cn_iq3_s_ref = {
    .dequantize = iq3_s_dequantize_ref,
    .quantize = iq3_s_quantize_ref,
    .kernels = {.gemv = iq3_s_gemv_ref,
                .unpack = iq3_s_unpack_ref,
                .panel = { .code_max = 30, .offset = OFFSET, .sub = GROUP }},
};

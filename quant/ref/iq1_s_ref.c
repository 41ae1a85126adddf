/* SPDX-License-Identifier: MIT
 *
 * IQ1_S, the definition.
 *
 *   | d f16 | 32 bytes: low index bits of runs of 8 |
 *   | 8 x u16: 4 x 3 high index bits, 3-bit scale, 1 bit: shift is negative |
 *
 *   w = d * (2 * scale[e / 32] + 1) * (grid[index][e % 8] +- 1/8)
 *
 * In panels everything is eight times as large, and the scale an eighth.
 */
#include "quant/ref/iq1_s.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq1_s_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP, OFFSET = 9 };

static float iq1_s_scale_at_ref(const struct cn_block_iq1_s *b, int g)
{
    return cn_f16_to_f32(b->d) * (float)(2 * (b->rest[g] >> 12 & 7) + 1) * 0.125f;
}

/* Eight times the value, an integer. */
static int iq1_s_level_at_ref(const struct cn_block_iq1_s *b, int e)
{
    int run = e / 8, rest = b->rest[e / GROUP];
    int index = b->index[run] | (rest >> (3 * (run % 4)) & 7) << 8;
    int value = (int8_t)(cn_iq1_grid[index] >> (8 * (e % 8)) & 255);
    return 8 * value + (rest & 0x8000 ? -1 : 1);
}

CN_REF_LEVELS(iq1_s, 1)
CN_REF_GEMV(iq1_s)

static const struct cn_grid_kind kind = {
    .entries = cn_iq1_grid,
    .n_entries = 2048,
    .dims = 8,
    .n_levels = 3,
    .level = {{ -7, 1, 9 }, { -9, -1, 7 }}, /* 8 * value + 1, 8 * value - 1 */
    .group = GROUP,
    .signs = CN_SHIFT_GROUP,
    .scale_top = 7,
    .unit = 8, /* w = d / 8 * (2 * scale + 1) * level */
};

static void iq1_s_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq1_s *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        memset(b, 0, sizeof *b);
        b->d = cn_grid_quantize(&grid, x, w, &c);
        for (int run = 0; run < BLOCK / 8; run++) {
            b->index[run] = (uint8_t)c.index[run];
            b->rest[run / 4] |= (uint16_t)(c.index[run] >> 8 << (3 * (run % 4)));
        }
        for (int g = 0; g < N_GROUPS; g++)
            b->rest[g] |= (uint16_t)(c.scale[g] << 12 | (c.mask[4 * g] ? 0x8000 : 0));
    }
}

const struct cn_reference cn_iq1_s_ref = {
    .dequantize = iq1_s_dequantize_ref,
    .quantize = iq1_s_quantize_ref,
    .needs_weights = true,
    .kernels = {.gemv = iq1_s_gemv_ref,
                .unpack = iq1_s_unpack_ref,
                .panel = { .code_max = 18, .offset = OFFSET, .sub = GROUP }},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ1_M, the definition.
 *
 *   | 32 bytes: low index bits of runs of 8 | 32 x (3 high index bits, 1 bit: shift is negative) |
 *   | 4 x u16: 4 x 3-bit scale, a nibble of d |
 *
 *   w = d * (2 * scale[e / 16] + 1) * (grid[index][e % 8] +- 1/8)
 *
 * In panels everything is eight times as large, and the scale an eighth.
 */
#include "quant/ref/iq1_m.h"

#include "quant/grid.h"
#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq1_m_ref;

enum { BLOCK = 256, GROUP = 16, OFFSET = 9 };

static uint32_t iq1_m_scale_word_ref(const struct cn_block_iq1_m *b, int k)
{
    return b->scale[2 * k] | (uint32_t)b->scale[2 * k + 1] << 8;
}

static float iq1_m_scale_at_ref(const struct cn_block_iq1_m *b, int g)
{
    uint32_t d = 0;
    for (int k = 0; k < 4; k++)
        d |= iq1_m_scale_word_ref(b, k) >> 12 << (4 * k);
    uint32_t s = iq1_m_scale_word_ref(b, g / 4) >> (3 * (g % 4)) & 7;
    return cn_f16_to_f32((uint16_t)d) * (float)(2 * s + 1) * 0.125f;
}

/* Eight times the value, an integer. */
static int iq1_m_level_at_ref(const struct cn_block_iq1_m *b, int e)
{
    int run = e / 8, rest = b->rest[run / 2] >> (4 * (run % 2));
    int value = (int8_t)(cn_iq1_grid[b->index[run] | (rest & 7) << 8] >> (8 * (e % 8)) & 255);
    return 8 * value + (rest & 8 ? -1 : 1);
}

CN_REF_LEVELS(iq1_m, 1)
CN_REF_GEMV(iq1_m)

static const struct cn_grid_kind kind = {
    .entries = cn_iq1_grid,
    .n_entries = 2048,
    .dims = 8,
    .n_levels = 3,
    .level = {{ -7, 1, 9 }, { -9, -1, 7 }}, /* 8 * value + 1, 8 * value - 1 */
    .group = GROUP,
    .signs = CN_SHIFT_RUN,
    .scale_top = 7,
    .unit = 8, /* w = d / 8 * (2 * scale + 1) * level */
};

static void iq1_m_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_iq1_m *b = blocks;
    struct cn_grid grid;
    cn_grid_init(&grid, &kind);
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        struct cn_grid_codes c;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        memset(b, 0, sizeof *b);
        uint16_t d = cn_grid_quantize(&grid, x, w, &c);
        for (int run = 0; run < BLOCK / 8; run++) {
            int rest = c.index[run] >> 8 | (c.mask[run] ? 8 : 0);
            b->index[run] = (uint8_t)c.index[run];
            b->rest[run / 2] |= (uint8_t)(rest << (4 * (run % 2)));
        }
        for (int k = 0; k < 4; k++) {
            uint32_t word = (uint32_t)(d >> (4 * k) & 15) << 12;
            for (int g = 0; g < 4; g++)
                word |= (uint32_t)c.scale[4 * k + g] << (3 * g);
            b->scale[2 * k] = (uint8_t)word;
            b->scale[2 * k + 1] = (uint8_t)(word >> 8);
        }
    }
}

const struct cn_reference cn_iq1_m_ref = {
    .dequantize = iq1_m_dequantize_ref,
    .quantize = iq1_m_quantize_ref,
    .kernels = {.gemv = iq1_m_gemv_ref,
                .unpack = iq1_m_unpack_ref,
                .panel = { .code_max = 18, .offset = OFFSET, .sub = GROUP }},
};

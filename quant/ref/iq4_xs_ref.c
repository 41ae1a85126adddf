/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS, the definition.
 *
 *   | d f16 | u16 high scale bits | 4 bytes low scale bits | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * (scale[g] - 32) * level[code],  g = element / 32
 */
#include "quant/ref/iq4_xs.h"

#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq4_xs_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP, OFFSET = 127 };

static int iq4_xs_scale_at_ref(const struct cn_block_iq4_xs *b, int g)
{
    int lo = b->scale_lo[g / 2] >> (4 * (g % 2)) & 15, hi = b->scale_hi >> (2 * g) & 3;
    return (lo | hi << 4) - 32;
}

static int iq4_xs_level_at_ref(const struct cn_block_iq4_xs *b, int e)
{
    return cn_iq4_levels[cn_nibble(b->q + 16 * (e / GROUP), e % GROUP)];
}

static void iq4_xs_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_iq4_xs *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = cn_f16_to_f32(b->d) * (float)iq4_xs_scale_at_ref(b, e / GROUP) *
                   (float)iq4_xs_level_at_ref(b, e);
}

static void iq4_xs_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_iq4_xs *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < N_GROUPS; g++)
            *scale++ = cn_f16_to_f32(b->d) * (float)iq4_xs_scale_at_ref(b, g);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, iq4_xs_level_at_ref(b, e) + OFFSET);
    }
}

CN_REF_GEMV(iq4_xs)

static void iq4_xs_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { 0, 15, cn_iq4_levels };
    struct cn_block_iq4_xs *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t scale[N_GROUPS];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_FLAT, w);
        b->d = cn_quant_scales(N_GROUPS, GROUP, x, w, &levels, 32, scale, code);
        b->scale_hi = 0;
        memset(b->scale_lo, 0, sizeof b->scale_lo);
        for (int g = 0; g < N_GROUPS; g++) {
            int s = scale[g] + 32;
            b->scale_lo[g / 2] |= (uint8_t)((s & 15) << (4 * (g % 2)));
            b->scale_hi |= (uint16_t)(s >> 4 << (2 * g));
        }
        for (int e = 0; e < BLOCK; e++)
            cn_set_nibble(b->q + 16 * (e / GROUP), e % GROUP, code[e]);
    }
}

const struct cn_reference cn_iq4_xs_ref = {
    .dequantize = iq4_xs_dequantize_ref,
    .quantize = iq4_xs_quantize_ref,
    .kernels = {.gemv = iq4_xs_gemv_ref,
                .unpack = iq4_xs_unpack_ref,
                .panel = { .code_max = 240, .offset = OFFSET, .sub = GROUP }},
};

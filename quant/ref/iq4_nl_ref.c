/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL, the definition.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * level[code]
 */
#include "quant/ref/iq4_nl.h"

#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_iq4_nl_ref;

enum { BLOCK = 32, OFFSET = 127 };

static int iq4_nl_level_at_ref(const struct cn_block_iq4_nl *b, int e)
{
    return cn_iq4_levels[cn_nibble(b->q, e)];
}

static void iq4_nl_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_iq4_nl *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = cn_f16_to_f32(b->d) * (float)iq4_nl_level_at_ref(b, e);
}

static void iq4_nl_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                              float *scale, float *min)
{
    const struct cn_block_iq4_nl *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, iq4_nl_level_at_ref(b, e) + OFFSET);
    }
}

CN_REF_GEMV(iq4_nl)

static void iq4_nl_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { 0, 15, cn_iq4_levels };
    struct cn_block_iq4_nl *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_FLAT, w);
        b->d = cn_quant_run(BLOCK, x, w, &levels, cn_fit_scale(BLOCK, x, w, &levels), code);
        for (int e = 0; e < BLOCK; e++)
            cn_set_nibble(b->q, e, code[e]);
    }
}

const struct cn_reference cn_iq4_nl_ref = {
    .dequantize = iq4_nl_dequantize_ref,
    .quantize = iq4_nl_quantize_ref,
    .kernels = {.gemv = iq4_nl_gemv_ref,
                .unpack = iq4_nl_unpack_ref,
                .panel = { .code_max = 240, .offset = OFFSET, .sub = BLOCK }},
};

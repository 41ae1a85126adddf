/* SPDX-License-Identifier: MIT
 *
 * Q4_0, the definition.
 *
 *   | d f16 | 16 bytes: 32 x 4-bit code |        w = d * (code - 8)
 */
#include "quant/ref/q4_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q4_0_ref;

enum { BLOCK = 32, OFFSET = 8 };

static void q4_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q4_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)(cn_nibble(b->q, e) - OFFSET) * cn_f16_to_f32(b->d);
}

static void q4_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q4_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, cn_nibble(b->q, e));
    }
}

CN_REF_GEMV(q4_0)

static void q4_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { -OFFSET, OFFSET - 1, NULL };
    struct cn_block_q4_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_run(BLOCK, x, w, &levels, cn_fit_scale(BLOCK, x, w, &levels), code);
        for (int e = 0; e < BLOCK; e++)
            cn_set_nibble(b->q, e, code[e] + OFFSET);
    }
}

const struct cn_reference cn_q4_0_ref = {
    .dequantize = q4_0_dequantize_ref,
    .quantize = q4_0_quantize_ref,
    .kernels = {.gemv = q4_0_gemv_ref,
                .unpack = q4_0_unpack_ref,
                .panel = { .code_max = 15, .offset = OFFSET, .sub = BLOCK }},
};

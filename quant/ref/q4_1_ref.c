/* SPDX-License-Identifier: MIT
 *
 * Q4_1, the definition.
 *
 *   | d f16 | m f16 | 16 bytes: 32 x 4-bit code |        w = code * d + m
 */
#include "quant/ref/q4_1.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q4_1_ref;

enum { BLOCK = 32, LEVELS = 15 };

static void q4_1_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q4_1 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)cn_nibble(b->q, e) * cn_f16_to_f32(b->d) + cn_f16_to_f32(b->m);
}

static void q4_1_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q4_1 *b = row;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        min[i / BLOCK] = -cn_f16_to_f32(b->m);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, cn_nibble(b->q, e));
    }
}

CN_REF_GEMV(q4_1)

/* The addend may have either sign, unlike the minima of the 256-element formats. */
static void q4_1_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q4_1 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        cn_quant_run_offset(BLOCK, x, w, LEVELS, &b->d, &b->m, code);
        for (int e = 0; e < BLOCK; e++)
            cn_set_nibble(b->q, e, code[e]);
    }
}

const struct cn_reference cn_q4_1_ref = {
    .dequantize = q4_1_dequantize_ref,
    .quantize = q4_1_quantize_ref,
    .kernels = {.gemv = q4_1_gemv_ref,
                .unpack = q4_1_unpack_ref,
                .panel = { .code_max = LEVELS, .sub = BLOCK, .has_min = true }},
};

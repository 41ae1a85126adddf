/* SPDX-License-Identifier: MIT
 *
 * Q8_0, the definition.
 *
 *   | d f16 | 32 signed bytes q |        w = d * q
 */
#include "quant/ref/q8_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q8_0_ref;

enum { BLOCK = 32, OFFSET = 128 };

static void q8_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q8_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)b->q[e] * cn_f16_to_f32(b->d);
}

static void q8_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q8_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, b->q[e] + OFFSET);
    }
}

CN_REF_GEMV(q8_0)

static void q8_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q8_0 *b = blocks;
    (void)weights;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        b->d = cn_quant_bytes_f16(BLOCK, x, b->q);
    }
}

const struct cn_reference cn_q8_0_ref = {
    .dequantize = q8_0_dequantize_ref,
    .quantize = q8_0_quantize_ref,
    .kernels = {.gemv = q8_0_gemv_ref,
                .unpack = q8_0_unpack_ref,
                .panel = { .code_max = 255, .offset = OFFSET, .sub = BLOCK }},
};

/* SPDX-License-Identifier: MIT
 *
 * Q2_0, the definition.
 *
 *   | d f16 | 16 bytes: 64 x 2-bit code |        w = d * (code - 1)
 */
#include "quant/ref/q2_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q2_0_ref;

enum { BLOCK = 64, OFFSET = 1 };

static int q2_0_code_at_ref(const struct cn_block_q2_0 *b, int e)
{
    return b->q[e / 4] >> (2 * (e % 4)) & 3;
}

static void q2_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q2_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)(q2_0_code_at_ref(b, e) - OFFSET) * cn_f16_to_f32(b->d);
}

static void q2_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q2_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / 32] = scale[i / 32 + 1] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q2_0_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q2_0)

static void q2_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { -OFFSET, 3 - OFFSET, NULL };
    struct cn_block_q2_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_run(BLOCK, x, w, &levels, cn_fit_scale(BLOCK, x, w, &levels), code);
        memset(b->q, 0, sizeof b->q);
        for (int e = 0; e < BLOCK; e++)
            b->q[e / 4] |= (uint8_t)((code[e] + OFFSET) << (2 * (e % 4)));
    }
}

const struct cn_reference cn_q2_0_ref = {
    .dequantize = q2_0_dequantize_ref,
    .quantize = q2_0_quantize_ref,
    .kernels = {.gemv = q2_0_gemv_ref,
                .unpack = q2_0_unpack_ref,
                .panel = { .code_max = 3, .offset = OFFSET, .sub = 32 }},
};

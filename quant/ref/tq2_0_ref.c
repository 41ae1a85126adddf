/* SPDX-License-Identifier: MIT
 *
 * TQ2_0, the definition.
 *
 *   | 64 bytes: 256 x 2-bit code | d f16 |        w = d * (code - 1)
 *
 * Each half of 128 elements has 32 bytes; its run g of 32 has bits 2g, 2g+1 of them. The format
 * allows code 3, w = 2 d, though no ternary tensor has it.
 */
#include "quant/ref/tq2_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_tq2_0_ref;

enum { BLOCK = 256, SUB = 32 };

static int tq2_0_code_at_ref(const struct cn_block_tq2_0 *b, int e)
{
    return b->q[32 * (e / 128) + e % 32] >> (2 * (e % 128 / 32)) & 3;
}

static void tq2_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_tq2_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)(tq2_0_code_at_ref(b, e) - 1) * cn_f16_to_f32(b->d);
}

static void tq2_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_tq2_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < BLOCK / SUB; g++)
            *scale++ = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, tq2_0_code_at_ref(b, e));
    }
}

CN_REF_GEMV(tq2_0)

static void tq2_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_tq2_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_ternary(BLOCK, x, w, code);
        memset(b->q, 0, sizeof b->q);
        for (int e = 0; e < BLOCK; e++)
            b->q[32 * (e / 128) + e % 32] |= (uint8_t)((code[e] + 1) << (2 * (e % 128 / 32)));
    }
}

const struct cn_reference cn_tq2_0_ref = {
    .dequantize = tq2_0_dequantize_ref,
    .quantize = tq2_0_quantize_ref,
    .kernels = {.gemv = tq2_0_gemv_ref,
                .unpack = tq2_0_unpack_ref,
                .panel = { .code_max = 3, .offset = 1, .sub = SUB }},
};

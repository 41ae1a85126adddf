/* SPDX-License-Identifier: MIT
 *
 * Q1_0, the definition.
 *
 *   | d f16 | 16 bytes: 128 bits |        w = bit ? d : -d
 *
 * In a panel a bit is the code 0 or 2, with offset 1.
 */
#include "quant/ref/q1_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q1_0_ref;

enum { BLOCK = 128, OFFSET = 1 };

static int q1_0_bit_at_ref(const struct cn_block_q1_0 *b, int e)
{
    return b->q[e / 8] >> (e % 8) & 1;
}

static void q1_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q1_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = q1_0_bit_at_ref(b, e) ? cn_f16_to_f32(b->d) : -cn_f16_to_f32(b->d);
}

static void q1_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q1_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < BLOCK / 32; g++)
            scale[i / 32 + g] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, 2 * q1_0_bit_at_ref(b, e));
    }
}

CN_REF_GEMV(q1_0)

/* With the signs given, the scale of least squares is the weighted mean of the sizes. */
static void q1_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q1_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        double sum = 0, total = 0;
        float even[BLOCK], w[BLOCK];
        for (int e = 0; e < BLOCK; e++)
            even[e] = 1; /* sizes are all that the scale is made of: they weigh nothing twice */
        cn_quant_weights(BLOCK, even, weights ? weights + i : NULL, CN_WEIGHTS_FLAT, w);
        for (int e = 0; e < BLOCK; e++) {
            sum += (double)w[e] * (double)fabsf(x[e]);
            total += (double)w[e];
        }
        b->d = cn_quant_f16(total > 0 ? (float)(sum / total) : 0);
        memset(b->q, 0, sizeof b->q);
        for (int e = 0; e < BLOCK; e++)
            b->q[e / 8] |= (uint8_t)((x[e] >= 0) << (e % 8));
    }
}

const struct cn_reference cn_q1_0_ref = {
    .dequantize = q1_0_dequantize_ref,
    .quantize = q1_0_quantize_ref,
    .kernels = {.gemv = q1_0_gemv_ref,
                .unpack = q1_0_unpack_ref,
                .panel = { .code_max = 2, .offset = OFFSET, .sub = 32 }},
};

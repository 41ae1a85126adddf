/* SPDX-License-Identifier: MIT
 *
 * Q8_K, the definition.
 *
 *   | d float | 256 signed bytes q | 16 x i16: sums of sixteen q |        w = d * q
 */
#include "quant/ref/q8_k.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

#include <float.h>

extern const struct cn_reference cn_q8_k_ref;

enum { BLOCK = 256, SUB = 32, OFFSET = 128 };

static void q8_k_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q8_k *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)b->q[e] * b->d;
}

static void q8_k_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q8_k *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < BLOCK / SUB; g++)
            *scale++ = b->d;
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, b->q[e] + OFFSET);
    }
}

CN_REF_GEMV(q8_k)

static void q8_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q8_k *b = blocks;
    (void)weights;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        b->d = fminf(cn_quant_byte_scale(BLOCK, x), FLT_MAX / 128); /* of infinities too */
        cn_quant_bytes(BLOCK, x, b->d, b->q);
        memset(b->sum, 0, sizeof b->sum);
        for (int e = 0; e < BLOCK; e++)
            b->sum[e / 16] = (int16_t)(b->sum[e / 16] + b->q[e]);
    }
}

const struct cn_reference cn_q8_k_ref = {
    .dequantize = q8_k_dequantize_ref,
    .quantize = q8_k_quantize_ref,
    .kernels = {.gemv = q8_k_gemv_ref,
                .unpack = q8_k_unpack_ref,
                .panel = { .code_max = 255, .offset = OFFSET, .sub = SUB }},
};

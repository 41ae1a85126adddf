/* SPDX-License-Identifier: MIT
 *
 * Q5_0, the definition.
 *
 *   | d f16 | 4 bytes: fifth bits | 16 bytes: low 4 bits |        w = d * (code - 16)
 */
#include "quant/ref/q5_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q5_0_ref;

enum { BLOCK = 32, OFFSET = 16 };

static int q5_0_code_at_ref(const struct cn_block_q5_0 *b, int e)
{
    return cn_nibble(b->q, e) | (b->hi[e / 8] >> (e % 8) & 1) << 4;
}

/* The fifth bits must be clear before. */
static void q5_0_set_code_ref(struct cn_block_q5_0 *b, int e, int code)
{
    cn_set_nibble(b->q, e, code & 15);
    b->hi[e / 8] |= (uint8_t)(code >> 4 << (e % 8));
}

static void q5_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q5_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)(q5_0_code_at_ref(b, e) - OFFSET) * cn_f16_to_f32(b->d);
}

static void q5_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q5_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q5_0_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q5_0)

static void q5_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { -OFFSET, OFFSET - 1, NULL };
    struct cn_block_q5_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_run(BLOCK, x, w, &levels, cn_fit_scale(BLOCK, x, w, &levels), code);
        memset(b->hi, 0, sizeof b->hi);
        for (int e = 0; e < BLOCK; e++)
            q5_0_set_code_ref(b, e, code[e] + OFFSET);
    }
}

const struct cn_reference cn_q5_0_ref = {
    .dequantize = q5_0_dequantize_ref,
    .quantize = q5_0_quantize_ref,
    .kernels = {.gemv = q5_0_gemv_ref,
                .unpack = q5_0_unpack_ref,
                .panel = { .code_max = 31, .offset = OFFSET, .sub = BLOCK }},
};

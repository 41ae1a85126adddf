/* SPDX-License-Identifier: MIT
 *
 * Q5_1, the definition.
 *
 *   | d f16 | m f16 | 4 bytes: fifth bits | 16 bytes: low 4 bits |        w = code * d + m
 */
#include "quant/ref/q5_1.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q5_1_ref;

enum { BLOCK = 32, LEVELS = 31 };

static int q5_1_code_at_ref(const struct cn_block_q5_1 *b, int e)
{
    return cn_nibble(b->q, e) | (b->hi[e / 8] >> (e % 8) & 1) << 4;
}

/* The fifth bits must be clear before. */
static void q5_1_set_code_ref(struct cn_block_q5_1 *b, int e, int code)
{
    cn_set_nibble(b->q, e, code & 15);
    b->hi[e / 8] |= (uint8_t)(code >> 4 << (e % 8));
}

static void q5_1_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q5_1 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)q5_1_code_at_ref(b, e) * cn_f16_to_f32(b->d) + cn_f16_to_f32(b->m);
}

static void q5_1_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q5_1 *b = row;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        min[i / BLOCK] = -cn_f16_to_f32(b->m);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q5_1_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q5_1)

/* The addend may have either sign, unlike the minima of the 256-element formats. */
static void q5_1_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q5_1 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        cn_quant_run_offset(BLOCK, x, w, LEVELS, &b->d, &b->m, code);
        memset(b->hi, 0, sizeof b->hi);
        for (int e = 0; e < BLOCK; e++)
            q5_1_set_code_ref(b, e, code[e]);
    }
}

const struct cn_reference cn_q5_1_ref = {
    .dequantize = q5_1_dequantize_ref,
    .quantize = q5_1_quantize_ref,
    .kernels = {.gemv = q5_1_gemv_ref,
                .unpack = q5_1_unpack_ref,
                .panel = { .code_max = LEVELS, .sub = BLOCK, .has_min = true }},
};

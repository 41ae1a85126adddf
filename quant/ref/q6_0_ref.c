/* SPDX-License-Identifier: MIT
 *
 * Q6_0, the definition.
 *
 *   | d f16 | 8 bytes: bits 4 and 5 | 16 bytes: low 4 bits |        w = d * (code - 32)
 */
#include "quant/ref/q6_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q6_0_ref;

enum { BLOCK = 32, OFFSET = 32 };

/* Where in hi[e % 8] the two bits of an element begin. */
static int q6_0_shift_ref(int e)
{
    return 4 * (e / 8 % 2) + 2 * (e / 16);
}

static int q6_0_code_at_ref(const struct cn_block_q6_0 *b, int e)
{
    return cn_nibble(b->q, e) | (b->hi[e % 8] >> q6_0_shift_ref(e) & 3) << 4;
}

/* The high bits must be clear before. */
static void q6_0_set_code_ref(struct cn_block_q6_0 *b, int e, int code)
{
    cn_set_nibble(b->q, e, code & 15);
    b->hi[e % 8] |= (uint8_t)(code >> 4 << q6_0_shift_ref(e));
}

static void q6_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q6_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)(q6_0_code_at_ref(b, e) - OFFSET) * cn_f16_to_f32(b->d);
}

static void q6_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q6_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q6_0_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q6_0)

static void q6_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { -OFFSET, OFFSET - 1, NULL };
    struct cn_block_q6_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_run(BLOCK, x, w, &levels, cn_fit_scale(BLOCK, x, w, &levels), code);
        memset(b->hi, 0, sizeof b->hi);
        for (int e = 0; e < BLOCK; e++)
            q6_0_set_code_ref(b, e, code[e] + OFFSET);
    }
}

const struct cn_reference cn_q6_0_ref = {
    .dequantize = q6_0_dequantize_ref,
    .quantize = q6_0_quantize_ref,
    .kernels = {.gemv = q6_0_gemv_ref,
                .unpack = q6_0_unpack_ref,
                .panel = { .code_max = 63, .offset = OFFSET, .sub = BLOCK }},
};

/* SPDX-License-Identifier: MIT
 *
 * BF16, the definition: w has the element as its upper 16 bits; encoding rounds to nearest, ties to
 * even.
 */
#include "quant/ref/bf16.h"

#include "quant/ref/ref.h"

extern const struct cn_reference cn_bf16_ref;

static void bf16_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_bf16 *b = blocks;
    for (int64_t i = 0; i < n_cols; i++)
        x[i] = cn_bf16_to_f32(b[i].h);
}

static void bf16_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_bf16 *b = row;
    (void)scale;
    (void)min;
    for (int64_t i = 0; i < n_cols; i++)
        cn_ref_put_float(codes, chunk_stride, i, cn_bf16_to_f32(b[i].h));
}

/* y[r] is summed left to right, in float. */
static void bf16_gemv_ref(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                          const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_bf16 *b = (const void *)((const uint8_t *)w + (size_t)r * row_bytes);
        float sum = 0;
        for (int64_t i = 0; i < n_cols; i++)
            sum += cn_bf16_to_f32(b[i].h) * x->x[i];
        y[r] = sum;
    }
}

static void bf16_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_bf16 *b = blocks;
    (void)weights;
    for (int64_t i = 0; i < n_cols; i++)
        b[i].h = cn_f32_to_bf16(x[i]);
}

const struct cn_reference cn_bf16_ref = {
    .dequantize = bf16_dequantize_ref,
    .quantize = bf16_quantize_ref,
    .kernels = {.gemv = bf16_gemv_ref, .unpack = bf16_unpack_ref, .panel = { .sub = 0 }},
};

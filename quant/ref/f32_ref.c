/* SPDX-License-Identifier: MIT
 *
 * F32, the definition: w is the element itself.
 */
#include "quant/ref/f32.h"

#include "quant/ref/ref.h"

extern const struct cn_reference cn_f32_ref;

static void f32_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_f32 *b = blocks;
    for (int64_t i = 0; i < n_cols; i++)
        x[i] = b[i].x;
}

static void f32_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                           float *scale, float *min)
{
    const struct cn_block_f32 *b = row;
    (void)scale;
    (void)min;
    for (int64_t i = 0; i < n_cols; i++)
        cn_ref_put_float(codes, chunk_stride, i, b[i].x);
}

/* y[r] is summed left to right, in float. */
static void f32_gemv_ref(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                         const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_f32 *b = (const void *)((const uint8_t *)w + (size_t)r * row_bytes);
        float sum = 0;
        for (int64_t i = 0; i < n_cols; i++)
            sum += b[i].x * x->x[i];
        y[r] = sum;
    }
}

static void f32_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_f32 *b = blocks;
    (void)weights;
    for (int64_t i = 0; i < n_cols; i++)
        b[i].x = x[i];
}

const struct cn_reference cn_f32_ref = {
    .dequantize = f32_dequantize_ref,
    .quantize = f32_quantize_ref,
    .kernels = {.gemv = f32_gemv_ref, .unpack = f32_unpack_ref, .panel = { .sub = 0 }},
};

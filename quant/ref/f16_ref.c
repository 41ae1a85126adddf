/* SPDX-License-Identifier: MIT
 *
 * F16, the definition: w is the element, converted exactly; encoding rounds to nearest, ties to
 * even.
 */
#include "quant/ref/f16.h"

#include "quant/ref/ref.h"

extern const struct cn_reference cn_f16_ref;

static void f16_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_f16 *b = blocks;
    for (int64_t i = 0; i < n_cols; i++)
        x[i] = cn_f16_to_f32(b[i].h);
}

static void f16_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                           float *scale, float *min)
{
    const struct cn_block_f16 *b = row;
    (void)scale;
    (void)min;
    for (int64_t i = 0; i < n_cols; i++)
        cn_ref_put_float(codes, chunk_stride, i, cn_f16_to_f32(b[i].h));
}

/* y[r] is summed left to right, in float. */
static void f16_gemv_ref(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                         const struct cn_act *x, float *y)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const struct cn_block_f16 *b = (const void *)((const uint8_t *)w + (size_t)r * row_bytes);
        float sum = 0;
        for (int64_t i = 0; i < n_cols; i++)
            sum += cn_f16_to_f32(b[i].h) * x->x[i];
        y[r] = sum;
    }
}

static void f16_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_f16 *b = blocks;
    (void)weights;
    for (int64_t i = 0; i < n_cols; i++)
        b[i].h = cn_f32_to_f16(x[i]);
}

const struct cn_reference cn_f16_ref = {
    .dequantize = f16_dequantize_ref,
    .quantize = f16_quantize_ref,
    .kernels = {.gemv = f16_gemv_ref, .unpack = f16_unpack_ref, .panel = { .sub = 0 }},
};

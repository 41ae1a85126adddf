/* SPDX-License-Identifier: MIT
 *
 * TQ1_0, the definition.
 *
 *   | 48 bytes: five digits each | 4 bytes: four digits each | d f16 |        w = d * (digit - 1)
 *
 * A byte v holds base-3 digits as a fraction, v / 256 = 0.t0 t1 t2 t3 t4 in base 3, rounded up:
 * digit n is the integer part of 3 * frac(v * 3^n / 256). Elements in order: digit 0 of bytes 0-31,
 * digit 1 of bytes 0-31, .. 4; the same of bytes 32-47; the same, digits 0-3, of bytes 48-51.
 */
#include "quant/ref/tq1_0.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_tq1_0_ref;

enum { BLOCK = 256, SUB = 32 };

/* The byte that element e is in, and which digit of it. */
static int tq1_0_place_ref(int e, int *digit)
{
    int first = e < 160 ? 0 : e < 240 ? 160 : 240, width = e < 160 ? 32 : e < 240 ? 16 : 4;
    *digit = (e - first) / width;
    return first / 5 + (e - first) % width;
}

static int tq1_0_code_at_ref(const struct cn_block_tq1_0 *b, int e)
{
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    int n, byte = tq1_0_place_ref(e, &n);
    return (b->q[byte] * power[n] & 255) * 3 >> 8;
}

static void tq1_0_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_tq1_0 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)(tq1_0_code_at_ref(b, e) - 1) * cn_f16_to_f32(b->d);
}

static void tq1_0_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_tq1_0 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < BLOCK / SUB; g++)
            *scale++ = cn_f16_to_f32(b->d);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, tq1_0_code_at_ref(b, e));
    }
}

CN_REF_GEMV(tq1_0)

static void tq1_0_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    static const uint8_t power[5] = { 81, 27, 9, 3, 1 };
    struct cn_block_tq1_0 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        int number[sizeof b->q] = { 0 };
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_ternary(BLOCK, x, w, code);
        for (int e = 0; e < BLOCK; e++) {
            int n, byte = tq1_0_place_ref(e, &n);
            number[byte] += (code[e] + 1) * power[n];
        }
        for (size_t k = 0; k < sizeof b->q; k++)
            b->q[k] = (uint8_t)((number[k] * 256 + 242) / 243);
    }
}

const struct cn_reference cn_tq1_0_ref = {
    .dequantize = tq1_0_dequantize_ref,
    .quantize = tq1_0_quantize_ref,
    .kernels = {.gemv = tq1_0_gemv_ref,
                .unpack = tq1_0_unpack_ref,
                .panel = { .code_max = 2, .offset = 1, .sub = SUB }},
};

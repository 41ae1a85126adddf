/* SPDX-License-Identifier: MIT
 *
 * MXFP4, the definition.
 *
 *   | exponent E, a byte | 16 bytes: 32 x 4-bit code |        w = level[code] * 2^(E - 128)
 *
 * E = 0 and 1 give the subnormal factors 2^-128 and 2^-127. E = 255 is NaN in the OCP
 * specification; no sound file has it, and here it is just the next power of two.
 */
#include "quant/ref/mxfp4.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_mxfp4_ref;

enum { BLOCK = 32, OFFSET = 12 };

const int8_t cn_mxfp4_levels[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

static int mxfp4_level_at_ref(const struct cn_block_mxfp4 *b, int e)
{
    return cn_mxfp4_levels[cn_nibble(b->q, e)];
}

static void mxfp4_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_mxfp4 *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = (float)mxfp4_level_at_ref(b, e) * ldexpf(1, b->e - 128);
}

static void mxfp4_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                             float *scale, float *min)
{
    const struct cn_block_mxfp4 *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        scale[i / BLOCK] = ldexpf(1, b->e - 128);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, mxfp4_level_at_ref(b, e) + OFFSET);
    }
}

CN_REF_GEMV(mxfp4)

/* The code whose level is nearest to x. */
static int mxfp4_nearest_code_ref(float x)
{
    int code = 0;
    while (code < 7 && 2 * fabsf(x) > (float)(cn_mxfp4_levels[code] + cn_mxfp4_levels[code + 1]))
        code++;
    return x < 0 && code > 0 ? code + 8 : code;
}

/* Tries the exponent that brings the largest element into 4..8 of E2M1's 0..6, and its neighbours.
 */
static void mxfp4_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_mxfp4 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK], top = 0, best = INFINITY;
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        for (int e = 0; e < BLOCK; e++)
            top = fmaxf(top, fabsf(x[e]));
        int start = top > 0 && isfinite(top) ? ilogbf(top) - 2 + 127 : 0;
        *b = (struct cn_block_mxfp4){ 0 };
        for (int exponent = start - 1; exponent <= start + 1; exponent++) {
            /* Above 252 the largest level would overflow. */
            struct cn_block_mxfp4 trial = { .e = (uint8_t)cn_clamp(exponent, 0, 252) };
            float error = 0;
            for (int e = 0; e < BLOCK; e++) {
                float y = ldexpf(x[e], 128 - trial.e);
                int code = mxfp4_nearest_code_ref(y);
                /* In steps of the first trial: squares of the elements might underflow. */
                float miss = ldexpf(y - cn_mxfp4_levels[code], trial.e - start);
                cn_set_nibble(trial.q, e, code);
                error += w[e] * miss * miss;
            }
            if (error < best) {
                best = error;
                *b = trial;
            }
        }
    }
}

/* An exponent of all ones is NaN, which decodes to numbers all the same. */
static void mxfp4_mark_bad_scales_ref(int64_t n_cols, const void *row, float *x)
{
    const struct cn_block_mxfp4 *b = row;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++)
        if (b->e == 255)
            x[i] = NAN;
}

const struct cn_reference cn_mxfp4_ref = {
    .dequantize = mxfp4_dequantize_ref,
    .quantize = mxfp4_quantize_ref,
    .mark_bad_scales = mxfp4_mark_bad_scales_ref,
    .kernels = {.gemv = mxfp4_gemv_ref,
                .unpack = mxfp4_unpack_ref,
                .panel = { .code_max = 24, .offset = OFFSET, .sub = BLOCK }},
};

/* SPDX-License-Identifier: MIT
 *
 * NVFP4, the definition.
 *
 *   | 4 bytes: scales of 16 | 32 bytes: 64 x 4-bit code |        w = level[code] * half(scale)
 *
 * Levels are those of MXFP4, twice the E2M1 value; half() is half the unsigned E4M3 value of a
 * scale byte. 0x7f, NaN there, is 0; bit 7, which no sound file has set, is ignored, but 0xff is
 * 240.
 *
 * A tensor may have a second scale, a tensor of its own beside it (NAME.scale): the product with it
 * is the weight, and it is not here.
 */
#include "quant/ref/nvfp4.h"

#include "quant/quantizer.h"
#include "quant/ref/mxfp4.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_nvfp4_ref;

enum { BLOCK = 64, GROUP = 16, OFFSET = 12, TOP_SCALE = 0x7e };

static float nvfp4_scale_at_ref(const struct cn_block_nvfp4 *b, int g)
{
    const int bits = b->scale[g] & 0x7f, exponent = bits >> 3, mantissa = bits & 7;
    if (b->scale[g] == 0x7f)
        return 0;
    return exponent == 0 ? ldexpf((float)mantissa, -10)
                         : ldexpf((float)(8 + mantissa), exponent - 11);
}

static int nvfp4_code_at_ref(const struct cn_block_nvfp4 *b, int e)
{
    return b->q[e / 16 * 8 + e % 8] >> (4 * (e / 8 % 2)) & 15;
}

static int nvfp4_level_at_ref(const struct cn_block_nvfp4 *b, int e)
{
    return cn_mxfp4_levels[nvfp4_code_at_ref(b, e)];
}

CN_REF_LEVELS(nvfp4, 1)
CN_REF_GEMV(nvfp4)

/* The codes of 16 elements with a given scale, in place; returns the weighted error. */
static float nvfp4_code_group_ref(const float *x, const float *w, struct cn_block_nvfp4 *b, int g)
{
    const float scale = nvfp4_scale_at_ref(b, g), inverse = cn_quant_inverse(scale);
    float error = 0;
    memset(b->q + 8 * g, 0, 8);
    for (int e = 0; e < GROUP; e++) {
        const float y = fabsf(x[e]) * inverse;
        int code = 0;
        while (code < 7 && 2 * y > (float)(cn_mxfp4_levels[code] + cn_mxfp4_levels[code + 1]))
            code++;
        /* Times 2^10: the square of a small miss might underflow. */
        const float miss = (fabsf(x[e]) - scale * (float)cn_mxfp4_levels[code]) * 0x1p10f;
        error += w[e] * miss * miss;
        code += x[e] < 0 && code > 0 ? 8 : 0;
        b->q[8 * g + e % 8] |= (uint8_t)(code << (4 * (e / 8)));
    }
    return error;
}

/* Scales are few: all are tried that bring the largest element between 2 1/4 and 7 of E2M1's 0..6.
 */
static void nvfp4_quantize_group_ref(const float *x, const float *w, struct cn_block_nvfp4 *b,
                                     int g)
{
    float top = 0, best = INFINITY;
    uint8_t chosen = 0;
    for (int e = 0; e < GROUP; e++)
        top = fmaxf(top, fabsf(x[e]));
    for (int s = 0; s <= TOP_SCALE; s++) {
        b->scale[g] = (uint8_t)s;
        const float half = nvfp4_scale_at_ref(b, g);
        if (s > 0 && s < TOP_SCALE && top > 14 * half)
            continue; /* too small */
        const float error = nvfp4_code_group_ref(x, w, b, g);
        if (error < best) {
            best = error;
            chosen = (uint8_t)s;
        }
        if (2 * top < 9 * half)
            break; /* too large, and so are the rest */
    }
    b->scale[g] = chosen;
    nvfp4_code_group_ref(x, w, b, g);
}

static void nvfp4_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_nvfp4 *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        for (int g = 0; g < BLOCK / GROUP; g++)
            nvfp4_quantize_group_ref(x + GROUP * g, w + GROUP * g, b, g);
    }
}

const struct cn_reference cn_nvfp4_ref = {
    .dequantize = nvfp4_dequantize_ref,
    .quantize = nvfp4_quantize_ref,
    .kernels = {.gemv = nvfp4_gemv_ref,
                .unpack = nvfp4_unpack_ref,
                .panel = { .code_max = 24, .offset = OFFSET, .sub = GROUP }},
};

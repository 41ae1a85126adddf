/* SPDX-License-Identifier: MIT
 *
 * Q4_K, the definition.
 *
 *   | d f16 | dmin f16 | 12 bytes: 8 x (6-bit scale, 6-bit min) | 128 bytes: 256 x 4-bit code |
 *
 *   w = d * scale[g] * code - dmin * min[g],  g = element / 32
 */
#include "quant/ref/q4_k.h"

#include "quant/quantizer.h"
#include "quant/ref/k_scales.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q4_k_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP, LEVELS = 15, GRID = 63 };

static int q4_k_code_at_ref(const struct cn_block_q4_k *b, int e)
{
    int g = e / GROUP;
    return b->q[32 * (g / 2) + e % 32] >> (4 * (g % 2)) & 15;
}

static void q4_k_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q4_k *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK) {
        uint8_t scale[N_GROUPS], min[N_GROUPS];
        cn_k_scales_unpack(b->scales, scale, min);
        float d = cn_f16_to_f32(b->d), dmin = cn_f16_to_f32(b->dmin);
        for (int e = 0; e < BLOCK; e++)
            x[e] = d * scale[e / GROUP] * (float)q4_k_code_at_ref(b, e) - dmin * min[e / GROUP];
    }
}

static void q4_k_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q4_k *b = row;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        uint8_t sc[N_GROUPS], mn[N_GROUPS];
        cn_k_scales_unpack(b->scales, sc, mn);
        for (int g = 0; g < N_GROUPS; g++) {
            *scale++ = cn_f16_to_f32(b->d) * sc[g];
            *min++ = cn_f16_to_f32(b->dmin) * mn[g];
        }
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q4_k_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q4_k)

static void q4_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q4_k *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        uint8_t scale[N_GROUPS], min[N_GROUPS];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        cn_quant_scales_mins(N_GROUPS, GROUP, x, w, LEVELS, GRID, &b->d, &b->dmin, scale, min,
                             code);
        cn_k_scales_pack(scale, min, b->scales);
        memset(b->q, 0, sizeof b->q);
        for (int e = 0; e < BLOCK; e++) {
            int g = e / GROUP;
            b->q[32 * (g / 2) + e % 32] |= (uint8_t)(code[e] << (4 * (g % 2)));
        }
    }
}

const struct cn_reference cn_q4_k_ref = {
    .dequantize = q4_k_dequantize_ref,
    .quantize = q4_k_quantize_ref,
    .kernels = {.gemv = q4_k_gemv_ref,
                .unpack = q4_k_unpack_ref,
                .panel = { .code_max = LEVELS, .sub = GROUP, .has_min = true }},
};

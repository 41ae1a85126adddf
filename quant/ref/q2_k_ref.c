/* SPDX-License-Identifier: MIT
 *
 * Q2_K, the definition.
 *
 *   | 16 bytes: 4-bit scale, 4-bit min | 64 bytes: 256 x 2-bit code | d f16 | dmin f16 |
 *
 *   w = d * scale[e / 16] * code - dmin * min[e / 16]
 *
 * Each half of 128 elements has 32 bytes of codes; its run g of 32 has bits 2g, 2g+1 of them.
 */
#include "quant/ref/q2_k.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q2_k_ref;

enum { BLOCK = 256, GROUP = 16, N_GROUPS = BLOCK / GROUP, LEVELS = 3, GRID = 15 };

static int q2_k_code_at_ref(const struct cn_block_q2_k *b, int e)
{
    return b->q[32 * (e / 128) + e % 32] >> (2 * (e % 128 / 32)) & 3;
}

static void q2_k_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q2_k *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK) {
        float d = cn_f16_to_f32(b->d), dmin = cn_f16_to_f32(b->dmin);
        for (int e = 0; e < BLOCK; e++) {
            uint8_t s = b->scales[e / GROUP];
            x[e] = d * (float)(s & 15) * (float)q2_k_code_at_ref(b, e) - dmin * (float)(s >> 4);
        }
    }
}

static void q2_k_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q2_k *b = row;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < N_GROUPS; g++) {
            *scale++ = cn_f16_to_f32(b->d) * (float)(b->scales[g] & 15);
            *min++ = cn_f16_to_f32(b->dmin) * (float)(b->scales[g] >> 4);
        }
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q2_k_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q2_k)

static void q2_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q2_k *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        uint8_t scale[N_GROUPS], min[N_GROUPS];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        cn_quant_scales_mins(N_GROUPS, GROUP, x, w, LEVELS, GRID, &b->d, &b->dmin, scale, min,
                             code);
        for (int g = 0; g < N_GROUPS; g++)
            b->scales[g] = (uint8_t)(scale[g] | min[g] << 4);
        memset(b->q, 0, sizeof b->q);
        for (int e = 0; e < BLOCK; e++)
            b->q[32 * (e / 128) + e % 32] |= (uint8_t)(code[e] << (2 * (e % 128 / 32)));
    }
}

const struct cn_reference cn_q2_k_ref = {
    .dequantize = q2_k_dequantize_ref,
    .quantize = q2_k_quantize_ref,
    .kernels = {.gemv = q2_k_gemv_ref,
                .unpack = q2_k_unpack_ref,
                .panel = { .code_max = LEVELS, .sub = GROUP, .has_min = true }},
};

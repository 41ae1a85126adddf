/* SPDX-License-Identifier: MIT
 *
 * Q3_K, the definition.
 *
 *   | 32 bytes: high bits | 64 bytes: low 2 bits | 12 bytes: 16 x 6-bit scale | d f16 |
 *
 *   w = d * (scale[e / 16] - 32) * (code - 4)
 *
 * Each half of 128 elements has 32 bytes of low bits; its run g of 32 has bits 2g, 2g+1 of them.
 * Scales: bytes 0-7 have the low 4 bits of scales 0-7 (low nibbles) and 8-15 (high nibbles); byte
 * 8 + j % 4 has the high 2 bits of scale j at bit 2 (j / 4).
 */
#include "quant/ref/q3_k.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q3_k_ref;

enum { BLOCK = 256, GROUP = 16, N_GROUPS = BLOCK / GROUP, OFFSET = 4, SCALE_OFFSET = 32 };

static int q3_k_scale_at_ref(const struct cn_block_q3_k *b, int g)
{
    int lo = b->scales[g % 8] >> (4 * (g / 8)) & 15;
    int hi = b->scales[8 + g % 4] >> (2 * (g / 4)) & 3;
    return (lo | hi << 4) - SCALE_OFFSET;
}

static int q3_k_code_at_ref(const struct cn_block_q3_k *b, int e)
{
    int lo = b->q[32 * (e / 128) + e % 32] >> (2 * (e % 128 / 32)) & 3;
    return lo | (b->hi[e % 32] >> (e / 32) & 1) << 2;
}

static void q3_k_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q3_k *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = cn_f16_to_f32(b->d) * (float)q3_k_scale_at_ref(b, e / GROUP) *
                   (float)(q3_k_code_at_ref(b, e) - OFFSET);
}

static void q3_k_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q3_k *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < N_GROUPS; g++)
            *scale++ = cn_f16_to_f32(b->d) * (float)q3_k_scale_at_ref(b, g);
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q3_k_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q3_k)

static void q3_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { -OFFSET, OFFSET - 1, NULL };
    struct cn_block_q3_k *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t scale[N_GROUPS], code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_scales(N_GROUPS, GROUP, x, w, &levels, SCALE_OFFSET, scale, code);
        memset(b->hi, 0, sizeof b->hi);
        memset(b->q, 0, sizeof b->q);
        memset(b->scales, 0, sizeof b->scales);
        for (int g = 0; g < N_GROUPS; g++) {
            int s = scale[g] + SCALE_OFFSET;
            b->scales[g % 8] |= (uint8_t)((s & 15) << (4 * (g / 8)));
            b->scales[8 + g % 4] |= (uint8_t)(s >> 4 << (2 * (g / 4)));
        }
        for (int e = 0; e < BLOCK; e++) {
            int c = code[e] + OFFSET;
            b->q[32 * (e / 128) + e % 32] |= (uint8_t)((c & 3) << (2 * (e % 128 / 32)));
            b->hi[e % 32] |= (uint8_t)(c >> 2 << (e / 32));
        }
    }
}

const struct cn_reference cn_q3_k_ref = {
    .dequantize = q3_k_dequantize_ref,
    .quantize = q3_k_quantize_ref,
    .kernels = {.gemv = q3_k_gemv_ref,
                .unpack = q3_k_unpack_ref,
                .panel = { .code_max = 7, .offset = OFFSET, .sub = GROUP }},
};

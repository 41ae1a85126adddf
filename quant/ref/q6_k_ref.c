/* SPDX-License-Identifier: MIT
 *
 * Q6_K, the definition.
 *
 *   | 128 bytes: low 4 bits | 64 bytes: high 2 bits | 16 signed byte scales | d f16 |
 *
 *   w = d * scale[e / 16] * (code - 32)
 *
 * Each half of 128 elements has 64 bytes of low and 32 bytes of high bits. Of a half's four runs of
 * 32, runs 0 and 2 are the nibbles of the first 32 low bytes, 1 and 3 those of the other 32; run g
 * has bits 2g, 2g+1 of the high bytes.
 */
#include "quant/ref/q6_k.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q6_k_ref;

enum { BLOCK = 256, GROUP = 16, N_GROUPS = BLOCK / GROUP, OFFSET = 32 };

static int q6_k_code_at_ref(const struct cn_block_q6_k *b, int e)
{
    int half = e / 128, run = e % 128 / 32, l = e % 32;
    int lo = b->lo[64 * half + 32 * (run % 2) + l] >> (4 * (run / 2)) & 15;
    int hi = b->hi[32 * half + l] >> (2 * run) & 3;
    return lo | hi << 4;
}

static void q6_k_set_code_ref(struct cn_block_q6_k *b, int e, int code)
{
    int half = e / 128, run = e % 128 / 32, l = e % 32;
    b->lo[64 * half + 32 * (run % 2) + l] |= (uint8_t)((code & 15) << (4 * (run / 2)));
    b->hi[32 * half + l] |= (uint8_t)(code >> 4 << (2 * run));
}

static void q6_k_dequantize_ref(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q6_k *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)
        for (int e = 0; e < BLOCK; e++)
            x[e] = cn_f16_to_f32(b->d) * b->scale[e / GROUP] *
                   (float)(q6_k_code_at_ref(b, e) - OFFSET);
}

static void q6_k_unpack_ref(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                            float *scale, float *min)
{
    const struct cn_block_q6_k *b = row;
    (void)min;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        for (int g = 0; g < N_GROUPS; g++)
            *scale++ = cn_f16_to_f32(b->d) * b->scale[g];
        for (int e = 0; e < BLOCK; e++)
            cn_ref_put_code(codes, chunk_stride, i + e, q6_k_code_at_ref(b, e));
    }
}

CN_REF_GEMV(q6_k)

static void q6_k_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    const struct cn_levels levels = { -OFFSET, OFFSET - 1, NULL };
    struct cn_block_q6_k *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK];
        int8_t code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, CN_WEIGHTS_STEEP, w);
        b->d = cn_quant_scales(N_GROUPS, GROUP, x, w, &levels, 128, b->scale, code);
        memset(b->lo, 0, sizeof b->lo);
        memset(b->hi, 0, sizeof b->hi);
        for (int e = 0; e < BLOCK; e++)
            q6_k_set_code_ref(b, e, code[e] + OFFSET);
    }
}

const struct cn_reference cn_q6_k_ref = {
    .dequantize = q6_k_dequantize_ref,
    .quantize = q6_k_quantize_ref,
    .kernels = {.gemv = q6_k_gemv_ref,
                .unpack = q6_k_unpack_ref,
                .panel = { .code_max = 63, .offset = OFFSET, .sub = GROUP }},
};

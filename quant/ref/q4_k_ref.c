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
#include "quant/ref/ref.h"

extern const struct cn_reference cn_q4_k_ref;

enum { BLOCK = 256, GROUP = 32, N_GROUPS = BLOCK / GROUP };

/* Bytes 0-3: low 6 bits scale 0-3; bytes 4-7: low 6 bits min 0-3; bytes 8-11: low nibbles scale
 * 4-7, high nibbles min 4-7, whose upper two bits are the upper two bits of bytes 0-3 and 4-7. */
static void unpack_scales(const uint8_t *s, uint8_t *scale, uint8_t *min)
{
    for (int g = 0; g < 4; g++) {
        scale[g] = s[g] & 63;
        min[g] = s[g + 4] & 63;
        scale[g + 4] = (uint8_t)((s[g + 8] & 15) | (s[g] >> 6) << 4);
        min[g + 4] = (uint8_t)((s[g + 8] >> 4) | (s[g + 4] >> 6) << 4);
    }
}

static void pack_scales(const uint8_t *scale, const uint8_t *min, uint8_t *s)
{
    for (int g = 0; g < 4; g++) {
        s[g] = (uint8_t)(scale[g] | (scale[g + 4] >> 4) << 6);
        s[g + 4] = (uint8_t)(min[g] | (min[g + 4] >> 4) << 6);
        s[g + 8] = (uint8_t)((scale[g + 4] & 15) | (min[g + 4] & 15) << 4);
    }
}

static int code_at(const struct cn_block_q4_k *b, int e)
{
    int g = e / GROUP;
    return b->q[32 * (g / 2) + e % 32] >> (4 * (g % 2)) & 15;
}

static void dequantize(int64_t n_cols, const void *blocks, float *x)
{
    const struct cn_block_q4_k *b = blocks;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK) {
        uint8_t scale[N_GROUPS], min[N_GROUPS];
        unpack_scales(b->scales, scale, min);
        float d = cn_f16_to_f32(b->d), dmin = cn_f16_to_f32(b->dmin);
        for (int e = 0; e < BLOCK; e++)
            x[e] = d * scale[e / GROUP] * (float)code_at(b, e) - dmin * min[e / GROUP];
    }
}

static void unpack(int64_t n_cols, const void *row, uint8_t *codes, size_t chunk_stride,
                   float *scale, float *min)
{
    const struct cn_block_q4_k *b = row;
    for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, scale += N_GROUPS, min += N_GROUPS) {
        uint8_t sc[N_GROUPS], mn[N_GROUPS];
        unpack_scales(b->scales, sc, mn);
        for (int g = 0; g < N_GROUPS; g++) {
            scale[g] = cn_f16_to_f32(b->d) * sc[g];
            min[g] = cn_f16_to_f32(b->dmin) * mn[g];
        }
        for (int e = 0; e < BLOCK; e++, codes += e % CN_CHUNK ? 0 : chunk_stride)
            codes[e % CN_CHUNK] = (uint8_t)code_at(b, e);
    }
}

CN_REF_GEMV(q4_k)

/* Scale and minimum of each group by least squares, then both put on a 6-bit grid. */
static void quantize(int64_t n_cols, const float *x, const float *weights, void *blocks)
{
    struct cn_block_q4_k *b = blocks;
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++, x += BLOCK) {
        float w[BLOCK], scale[N_GROUPS], min[N_GROUPS];
        uint8_t sc[N_GROUPS], mn[N_GROUPS], code[BLOCK];
        cn_quant_weights(BLOCK, x, weights ? weights + i : NULL, 2, w);
        for (int g = 0; g < N_GROUPS; g++)
            cn_fit_scale_min(GROUP, x + g * GROUP, w + g * GROUP, 15, &scale[g], &min[g],
                             code + g * GROUP);
        b->d = cn_quant_grid(N_GROUPS, scale, 63, sc);
        b->dmin = cn_quant_grid(N_GROUPS, min, 63, mn);
        pack_scales(sc, mn, b->scales);
        float d = cn_f16_to_f32(b->d), dmin = cn_f16_to_f32(b->dmin);
        memset(b->q, 0, sizeof b->q);
        for (int e = 0; e < BLOCK; e++) {
            int g = e / GROUP;
            float s = d * sc[g];
            int q = s > 0 ? cn_clamp(cn_nearest((x[e] + dmin * mn[g]) / s), 0, 15) : 0;
            b->q[32 * (g / 2) + e % 32] |= (uint8_t)(q << (4 * (g % 2)));
        }
    }
}

const struct cn_reference cn_q4_k_ref = {
    .dequantize = dequantize,
    .quantize = quantize,
    .kernels = {gemv, unpack, { .code_max = 15, .offset = 0, .sub = GROUP, .has_min = true }},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS, the definition.
 *
 *   row: | d f32 | blocks |;  block: | 64 u16, eight a group |
 *
 * Bit 0 of word k of a group is bit k of its scale byte s. The others, z, are four codes: z ^ z >>
 * 1 has the nibbles of elements 2k, 2k + 16, 2k + 1, 2k + 17, lowest first. The number of bits set
 * in them is even, so that 15 bits hold them.
 *
 *   w = d * ((s & 254) - 127) * (level[code] + 4 * (s & 1)),  g = element / 32;
 *   the first product is rounded before the second is made
 */
#include "quant/ref/iq4_kss.h"

#include "quant/ref/codebooks.h"
#include "quant/ref/iq_k.h"
#include "quant/ref/ref.h"
#include "quant/shifted.h"

extern const struct cn_reference cn_iq4_kss_ref;

enum { BLOCK = 256, GROUP = 32, OFFSET = 127 };

static int iq4_kss_scale_byte_ref(const uint16_t *q)
{
    int s = 0;
    for (int k = 0; k < 8; k++)
        s |= (q[k] & 1) << k;
    return s;
}

static float iq4_kss_scale_at_ref(const struct cn_block_iq4_kss *b, int g)
{
    return (float)cn_iq_k_byte_scale(iq4_kss_scale_byte_ref(b->q[g]));
}

static int iq4_kss_level_at_ref(const struct cn_block_iq4_kss *b, int e)
{
    const uint16_t *q = b->q[e / GROUP];
    const int i = e % GROUP, z = q[i % 16 / 2] & 0xfffe;
    const int code = (z ^ z >> 1) >> (8 * (i % 2) + 4 * (i / 16)) & 15;
    return cn_iq4_levels[code] + (iq4_kss_scale_byte_ref(q) & 1) * CN_IQ4_SHIFT;
}

CN_REF_LEVELS_HEADED(iq4_kss, 1, 4)
CN_REF_GEMV_HEADED(iq4_kss, 4)

static void iq4_kss_put_ref(const struct cn_shifted_codes *codes, void *block)
{
    struct cn_block_iq4_kss *b = block;
    memset(b, 0, sizeof *b);
    for (int g = 0; g < BLOCK / GROUP; g++) {
        const int s = cn_iq_k_scale_byte(codes->scale[g], codes->shift[g]);
        for (int k = 0; k < 8; k++) {
            const uint8_t *code = codes->code + g * GROUP + 2 * k;
            int z = code[0] | code[16] << 4 | code[1] << 8 | code[17] << 12;
            for (int by = 1; by < 16; by *= 2)
                z ^= z >> by;
            b->q[g][k] = (uint16_t)((z & 0xfffe) | (s >> k & 1));
        }
    }
}

static void iq4_kss_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row)
{
    static const struct cn_shifted_kind kind = {
        .group = GROUP,
        .n_levels = 16,
        .levels = cn_iq4_levels,
        .shift = CN_IQ4_SHIFT,
        .scale_lo = -127,
        .scale_step = 2,
        .n_scales = 128,
        .even = true,
        .block_bytes = sizeof(struct cn_block_iq4_kss),
        .header_bytes = 4,
        .base = CN_WEIGHTS_FLAT,
        .put = iq4_kss_put_ref,
    };
    cn_shifted_quantize(&kind, n_cols, x, weights, row);
}

const struct cn_reference cn_iq4_kss_ref = {
    .dequantize = iq4_kss_dequantize_ref,
    .quantize = iq4_kss_quantize_ref,
    .kernels = {.gemv = iq4_kss_gemv_ref,
                .unpack = iq4_kss_unpack_ref,
                .panel = { .code_max = 244, .offset = OFFSET, .sub = GROUP }},
};

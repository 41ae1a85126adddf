/* SPDX-License-Identifier: MIT
 *
 * IQ3_KT, the definition.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale | 32 x u16: index | 32 bytes: signs |
 *
 *   d = 1.01 * header, w = (+-) d * scale * |T|, runs of 8. A sign counts for a zero as well.
 *
 * T is what the generator (quant/trellis.h) makes of a run's index.
 */
#include "quant/ref/iq3_kt.h"

#include "quant/ref/kt.h"

extern const struct cn_reference cn_iq3_kt_ref;

static const int8_t iq3_kt_scales[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static int iq3_kt_scale_at_ref(const struct cn_block_iq3_kt *b, int g)
{
    return b->scale[g % 4] >> (4 * (g / 4)) & 15;
}

static bool iq3_kt_sign_at_ref(const struct cn_block_iq3_kt *b, int e)
{
    return b->sign[e % 32] >> (e / 32) & 1;
}

static void iq3_kt_elements_ref(const struct cn_block_iq3_kt *b, int8_t *t)
{
    for (int k = 0; k < BLOCK / 8; k++)
        cn_trellis_run(b->index[k], 8, t + 8 * k);
    for (int e = 0; e < BLOCK; e++)
        if ((t[e] < 0) != iq3_kt_sign_at_ref(b, e))
            t[e] = (int8_t)-t[e];
}

static void iq3_kt_put_ref(void *block, int g, const struct cn_trellis_group *code)
{
    struct cn_block_iq3_kt *b = block;
    b->scale[g % 4] |= (uint8_t)(code->scale << (4 * (g / 4)));
    memcpy(b->index + 4 * g, code->index, 4 * sizeof *b->index);
    for (int e = 0; e < GROUP; e++)
        b->sign[e] |= (uint8_t)((code->signs >> e & 1) << g);
}

static void iq3_kt_sign_zeros_ref(int64_t n_cols, const void *row, float *x)
{
    const struct cn_block_iq3_kt *b = (const void *)((const uint8_t *)row + HEADER);
    int8_t t[BLOCK];
    for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {
        iq3_kt_elements_ref(b, t);
        for (int e = 0; e < BLOCK; e++)
            if (t[e] == 0 && iq3_kt_sign_at_ref(b, e))
                x[i + e] = -x[i + e];
    }
}

static const struct cn_trellis_kind iq3_kt_kind = {
    .dims = 8,
    .n_index = 65536,
    .sizes = true,
    .n_levels = 16,
    .levels = iq3_kt_scales,
    .misses = 2,
    .top = 15,
    .shrink = 0.97f,
    .put = iq3_kt_put_ref,
};

CN_REF_TRELLIS(iq3_kt, 1.01f)

const struct cn_reference cn_iq3_kt_ref = {
    .dequantize = iq3_kt_dequantize_ref,
    .quantize = iq3_kt_quantize_ref,
    .sign_zeros = iq3_kt_sign_zeros_ref,
    .kernels = {.gemv = iq3_kt_gemv_ref,
                .unpack = iq3_kt_unpack_ref,
                .panel = { .code_max = 252,
                            .offset = OFFSET,
                            .sub = GROUP,
                            .row_factor = 1.01f }},
};

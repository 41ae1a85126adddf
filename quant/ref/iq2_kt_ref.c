/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT, the definition.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale code | 32 x u16: index |
 *
 *   d = 1.05 * header, w = d * level[scale code] * T, levels those of IQ4_NL, runs of 8
 *
 * T is what the generator (quant/trellis.h) makes of a run's index.
 */
#include "quant/ref/iq2_kt.h"

#include "quant/ref/kt.h"

extern const struct cn_reference cn_iq2_kt_ref;

static int iq2_kt_scale_at_ref(const struct cn_block_iq2_kt *b, int g)
{
    return cn_iq4_levels[b->scale[g % 4] >> (4 * (g / 4)) & 15];
}

static void iq2_kt_elements_ref(const struct cn_block_iq2_kt *b, int8_t *t)
{
    for (int k = 0; k < BLOCK / 8; k++)
        cn_trellis_run(b->index[k], 8, t + 8 * k);
}

static void iq2_kt_put_ref(void *block, int g, const struct cn_trellis_group *code)
{
    struct cn_block_iq2_kt *b = block;
    b->scale[g % 4] |= (uint8_t)(cn_kt_scale_code(code->scale) << (4 * (g / 4)));
    memcpy(b->index + 4 * g, code->index, 4 * sizeof *b->index);
}

static const struct cn_trellis_kind iq2_kt_kind = {
    .dims = 8,
    .n_index = 65536,
    .n_levels = 16,
    .levels = cn_kt_scales,
    .misses = 1,
    .top = 113,
    .shrink = 0.95f,
    .put = iq2_kt_put_ref,
};

CN_REF_TRELLIS(iq2_kt, 1.05f)

const struct cn_reference cn_iq2_kt_ref = {
    .dequantize = iq2_kt_dequantize_ref,
    .quantize = iq2_kt_quantize_ref,
    .kernels = {.gemv = iq2_kt_gemv_ref,
                .unpack = iq2_kt_unpack_ref,
                .panel = { .code_max = 252,
                            .offset = OFFSET,
                            .sub = GROUP,
                            .row_factor = 1.05f }},
};

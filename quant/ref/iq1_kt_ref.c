/* SPDX-License-Identifier: MIT
 *
 * IQ1_KT, the definition.
 *
 *   row: | d f32 |; block: | 8 bytes: scale code, 4 index bits | 32 low index bytes | 16 bytes |
 *
 *   w = d * level[scale code] * T, levels those of IQ4_NL, runs of 8 with 13 bits of index
 *
 * T is what the generator (quant/trellis.h) makes of a run's index.
 */
#include "quant/ref/iq1_kt.h"

#include "quant/ref/kt.h"

extern const struct cn_reference cn_iq1_kt_ref;

static uint32_t iq1_kt_index_at_ref(const struct cn_block_iq1_kt *b, int k)
{
    return b->low[k] | (uint32_t)(b->high[k % 16] >> (4 * (k / 16)) & 15) << 8 |
           (uint32_t)(b->head[k / 4] >> (4 + k % 4) & 1) << 12;
}

static int iq1_kt_scale_at_ref(const struct cn_block_iq1_kt *b, int g)
{
    return cn_iq4_levels[b->head[g] & 15];
}

static void iq1_kt_elements_ref(const struct cn_block_iq1_kt *b, int8_t *t)
{
    for (int k = 0; k < BLOCK / 8; k++)
        cn_trellis_run(iq1_kt_index_at_ref(b, k), 8, t + 8 * k);
}

static void iq1_kt_put_ref(void *block, int g, const struct cn_trellis_group *code)
{
    struct cn_block_iq1_kt *b = block;
    b->head[g] = (uint8_t)cn_kt_scale_code(code->scale);
    for (int i = 0; i < 4; i++) {
        const int k = 4 * g + i, index = code->index[i];
        b->low[k] = (uint8_t)index;
        b->high[k % 16] |= (uint8_t)((index >> 8 & 15) << (4 * (k / 16)));
        b->head[g] |= (uint8_t)((index >> 12) << (4 + i));
    }
}

static const struct cn_trellis_kind iq1_kt_kind = {
    .dims = 8,
    .n_index = 8192,
    .n_levels = 16,
    .levels = cn_kt_scales,
    .misses = 1,
    .top = 113,
    .shrink = 0.95f,
    .put = iq1_kt_put_ref,
};

CN_REF_TRELLIS(iq1_kt, 1.0f)

const struct cn_reference cn_iq1_kt_ref = {
    .dequantize = iq1_kt_dequantize_ref,
    .quantize = iq1_kt_quantize_ref,
    .kernels = {.gemv = iq1_kt_gemv_ref,
                .unpack = iq1_kt_unpack_ref,
                .panel = { .code_max = 252, .offset = OFFSET, .sub = GROUP }},
};

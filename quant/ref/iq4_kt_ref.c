/* SPDX-License-Identifier: MIT
 *
 * IQ4_KT, the definition.
 *
 *   row: | d f32 |; block: | 8 x u32: of a group | 64 low index bytes | 32 bytes: 64 x 4 bits |
 *   of a group: | bit 0: half | 7 bits: scale + 64 | 8 x 3 bits: bits 12 to 14 of the indices |
 *
 *   w = d * scale * T, runs of 4 with 15 bits of index, and the group's half (bit 15)
 *
 * T is what the generator (quant/trellis.h) makes of a run's index.
 */
#include "quant/ref/iq4_kt.h"

#include "quant/ref/kt.h"

extern const struct cn_reference cn_iq4_kt_ref;

/* Scales to try, in steps of a twelfth. */
static const int8_t iq4_kt_scales[] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13,
                                        14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27, 29,
                                        31, 33, 35, 37, 39, 42, 45, 48, 51, 55, 59, 63 };

static uint32_t iq4_kt_index_at_ref(const struct cn_block_iq4_kt *b, int k)
{
    const uint32_t head = cn_ref_u32(b->head + 4 * (k / 8));
    return b->low[k] | (uint32_t)(b->high[k % 32] >> (4 * (k / 32)) & 15) << 8 |
           (head >> (8 + 3 * (k % 8)) & 7) << 12 | (head & 1) << 15;
}

static int iq4_kt_scale_at_ref(const struct cn_block_iq4_kt *b, int g)
{
    return (b->head[4 * g] >> 1) - 64;
}

static void iq4_kt_elements_ref(const struct cn_block_iq4_kt *b, int8_t *t)
{
    for (int k = 0; k < BLOCK / 4; k++)
        cn_trellis_run(iq4_kt_index_at_ref(b, k), 4, t + 4 * k);
}

static void iq4_kt_put_ref(void *block, int g, const struct cn_trellis_group *code)
{
    struct cn_block_iq4_kt *b = block;
    uint32_t head = (uint32_t)(code->scale + 64) << 1 | code->index[0] >> 15;
    for (int i = 0; i < 8; i++) {
        const int k = 8 * g + i;
        const uint32_t index = code->index[i];
        b->low[k] = (uint8_t)index;
        b->high[k % 32] |= (uint8_t)((index >> 8 & 15) << (4 * (k / 32)));
        head |= (index >> 12 & 7) << (8 + 3 * i);
    }
    cn_ref_put_u32(b->head + 4 * g, head);
}

static const struct cn_trellis_kind iq4_kt_kind = {
    .dims = 4,
    .n_index = 65536,
    .either = true,
    .n_levels = sizeof iq4_kt_scales,
    .levels = iq4_kt_scales,
    .misses = 2,
    .around = 5,
    .top = 63,
    .shrink = 1.1f,
    .put = iq4_kt_put_ref,
};

CN_REF_TRELLIS(iq4_kt, 1.0f)

const struct cn_reference cn_iq4_kt_ref = {
    .dequantize = iq4_kt_dequantize_ref,
    .quantize = iq4_kt_quantize_ref,
    .kernels = {.gemv = iq4_kt_gemv_ref,
                .unpack = iq4_kt_unpack_ref,
                .panel = { .code_max = 252, .offset = OFFSET, .sub = GROUP }},
};

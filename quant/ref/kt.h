/* SPDX-License-Identifier: MIT
 *
 * What the reference files of the trellis formats share.
 */
#ifndef CN_KT_H
#define CN_KT_H

#include "quant/quantizer.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/ref.h"
#include "quant/trellis.h"

enum { BLOCK = CN_TRELLIS_BLOCK, GROUP = CN_TRELLIS_GROUP, OFFSET = 126, HEADER = 4 };

/* The levels of IQ4_NL by rising size: group scales of IQ1_KT and IQ2_KT. */
static const int8_t cn_kt_scales[16] = { 1,  -10, 13, -22, 25, -35,  38,  -49,
                                         53, -65, 69, -83, 89, -104, 113, -127 };

/* The code of one of them. */
static inline int cn_kt_scale_code(int level)
{
    int code = 0;
    while (code < 15 && cn_iq4_levels[code] != level)
        code++;
    return code;
}

/* dequantize, unpack, gemv and quantize of a format with struct cn_block_<id>, <id>_elements_ref()
 * (the 256 elements of a block, signs included), <id>_scale_at_ref() (an integer) and <id>_kind.
 * The row's scale is `factor` times its header. */
#define CN_REF_TRELLIS(id, factor)                                                                 \
    static void id##_dequantize_ref(int64_t n_cols, const void *row, float *x)                     \
    {                                                                                              \
        const struct cn_block_##id *b = (const void *)((const uint8_t *)row + HEADER);             \
        const float d = cn_row_scale(HEADER, row) * (factor);                                      \
        int8_t t[BLOCK];                                                                           \
        for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {                                         \
            id##_elements_ref(b, t);                                                               \
            for (int e = 0; e < BLOCK; e++) {                                                      \
                const float scale = d * (float)id##_scale_at_ref(b, e / GROUP);                    \
                x[i + e] = scale * (float)t[e];                                                    \
            }                                                                                      \
        }                                                                                          \
        if (cn_##id##_ref.sign_zeros)                                                              \
            cn_##id##_ref.sign_zeros(n_cols, row, x);                                              \
    }                                                                                              \
                                                                                                   \
    static void id##_unpack_ref(int64_t n_cols, const void *blocks, uint8_t *codes,                \
                                size_t chunk_stride, float *scale, float *min)                     \
    {                                                                                              \
        const struct cn_block_##id *b = blocks;                                                    \
        int8_t t[BLOCK];                                                                           \
        (void)min;                                                                                 \
        for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {                                         \
            id##_elements_ref(b, t);                                                               \
            for (int g = 0; g < BLOCK / GROUP; g++)                                                \
                *scale++ = (float)id##_scale_at_ref(b, g);                                         \
            for (int e = 0; e < BLOCK; e++)                                                        \
                cn_ref_put_code(codes, chunk_stride, i + e, t[e] + OFFSET);                        \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    CN_REF_GEMV_HEADED(id, HEADER)                                                                 \
                                                                                                   \
    static void id##_quantize_ref(int64_t n_cols, const float *x, const float *weights, void *row) \
    {                                                                                              \
        const float d =                                                                            \
            cn_trellis_quantize(&id##_kind, n_cols, x, weights, (uint8_t *)row + HEADER,           \
                                sizeof(struct cn_block_##id)) /                                    \
            (factor);                                                                              \
        memcpy(row, &d, HEADER);                                                                   \
    }

#endif

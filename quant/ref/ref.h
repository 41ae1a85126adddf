/* SPDX-License-Identifier: MIT
 *
 * What the reference files share: plain C, written for reading. A format's ref file states its
 * block (dequantize), its codes (unpack) and its quantiser; the product follows from the codes.
 */
#ifndef CN_REF_H
#define CN_REF_H

#include "quant/quant.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* How a format lays out its rows. */
struct cn_ref_rows {
    int64_t block_elems;
    size_t block_bytes;
    uint32_t header_bytes;
};

/* The product of a quantised format, from its unpack:
 * for each group of 32 columns, in order, in float:
 *     y += d * (sum over its sub-blocks of scale * dot - min * sum), dot and sum exact integers
 *     with the offset taken out; then the row's own scale. */
static inline void cn_ref_gemv(cn_unpack_fn *unpack, const struct cn_panel *panel,
                               const struct cn_ref_rows *rows, int64_t n_rows, int64_t n_cols,
                               const void *w, size_t row_bytes, const struct cn_act *x, float *y)
{
    enum { STEP = 256 };
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes;
        float sum = 0;
        for (int64_t c = 0; c < n_cols; c += STEP) {
            int64_t n = n_cols - c < STEP ? n_cols - c : STEP;
            uint8_t code[STEP];
            float scale[STEP / 16], min[STEP / 16];
            unpack(n,
                   row + rows->header_bytes + (size_t)(c / rows->block_elems) * rows->block_bytes,
                   code, CN_CHUNK, scale, min);
            for (int64_t g = 0; g < n; g += 32) {
                float group = 0;
                for (int64_t s = g; s < g + 32; s += panel->sub) {
                    int32_t dot = 0, total = 0;
                    for (int64_t i = s; i < s + panel->sub; i++) {
                        dot += ((int32_t)code[i] - panel->offset) * x->q[c + i];
                        total += x->q[c + i];
                    }
                    group += scale[s / panel->sub] * (float)dot;
                    if (panel->has_min)
                        group -= min[s / panel->sub] * (float)total;
                }
                sum += x->d[(c + g) / 32] * group;
            }
        }
        y[r] = rows->header_bytes ? cn_panel_row_scale(panel, rows->header_bytes, row) * sum : sum;
    }
}

/* Defines the static gemv of a ref file, which has BLOCK and struct cn_block_<id>. */
#define CN_REF_GEMV(id) CN_REF_GEMV_HEADED(id, 0)
/* The same for rows with a header. */
#define CN_REF_GEMV_HEADED(id, header)                                                          \
    static void id##_gemv_ref(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,  \
                              const struct cn_act *x, float *y)                                 \
    {                                                                                           \
        static const struct cn_ref_rows rows = { BLOCK, sizeof(struct cn_block_##id), header }; \
        cn_ref_gemv(cn_##id##_ref.kernels.unpack, &cn_##id##_ref.kernels.panel, &rows, n_rows,  \
                    n_cols, w, row_bytes, x, y);                                                \
    }

/* dequantize and unpack of a format whose weights are <id>_scale_at_ref(block, e / GROUP) *
 * <id>_level_at_ref(block, e), e < BLOCK. Its levels are multiples of `step`, and codes count in
 * steps. */
#define CN_REF_LEVELS(id, step) CN_REF_LEVELS_HEADED(id, step, 0)
/* The same for rows with a header, whose number is multiplied with the scale first. */
#define CN_REF_LEVELS_HEADED(id, step, header)                                               \
    static void id##_dequantize_ref(int64_t n_cols, const void *row, float *x)               \
    {                                                                                        \
        const struct cn_block_##id *b = (const void *)((const uint8_t *)row + (header));     \
        const float d = cn_row_scale(header, row);                                           \
        for (int64_t i = 0; i < n_cols / BLOCK; i++, b++, x += BLOCK)                        \
            for (int e = 0; e < BLOCK; e++)                                                  \
                x[e] = d * id##_scale_at_ref(b, e / GROUP) * (float)id##_level_at_ref(b, e); \
    }                                                                                        \
                                                                                             \
    static void id##_unpack_ref(int64_t n_cols, const void *blocks, uint8_t *codes,          \
                                size_t chunk_stride, float *scale, float *min)               \
    {                                                                                        \
        const struct cn_block_##id *b = blocks;                                              \
        (void)min;                                                                           \
        for (int64_t i = 0; i < n_cols; i += BLOCK, b++) {                                   \
            for (int g = 0; g < BLOCK / GROUP; g++)                                          \
                *scale++ = (step)*id##_scale_at_ref(b, g);                                   \
            for (int e = 0; e < BLOCK; e++)                                                  \
                cn_ref_put_code(codes, chunk_stride, i + e,                                  \
                                id##_level_at_ref(b, e) / (step) + OFFSET);                  \
        }                                                                                    \
    }

/* Column c of a float panel. */
static inline void cn_ref_put_float(uint8_t *codes, size_t chunk_stride, int64_t c, float w)
{
    memcpy(codes + (size_t)(c / 16) * chunk_stride + c % 16 * 4, &w, sizeof w);
}

/* Column c of a panel of codes. */
static inline void cn_ref_put_code(uint8_t *codes, size_t chunk_stride, int64_t c, int code)
{
    codes[(size_t)(c / CN_CHUNK) * chunk_stride + c % CN_CHUNK] = (uint8_t)code;
}

/* The 32-element formats' 4-bit codes: element e < 16 is the low nibble of byte e, element e + 16
 * the high nibble of the same byte. */
static inline int cn_nibble(const uint8_t *q, int e)
{
    return q[e % 16] >> (4 * (e / 16)) & 15;
}

static inline void cn_set_nibble(uint8_t *q, int e, int code)
{
    q[e % 16] = (uint8_t)(e < 16 ? (q[e % 16] & 0xf0) | code : (q[e % 16] & 0x0f) | code << 4);
}

/* Unaligned 32-bit numbers, little endian. */
static inline uint32_t cn_ref_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void cn_ref_put_u32(uint8_t *p, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(x >> (8 * i));
}

/* Nearest integer, ties to even; |x| below 2^22. */
static inline int cn_nearest(float x)
{
    return (int)lrintf(x);
}

static inline int cn_clamp(int x, int lo, int hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Quantising onto non-linear levels that a group may have shifted (the formats IQ2_K to IQ6_K and
 * their kin with a scale for the row): which levels, shifted or not, which scales. Weighted least
 * squares.
 */
#ifndef CN_SHIFTED_H
#define CN_SHIFTED_H

#include "quant/quantizer.h"

#include <stdbool.h>
#include <stdint.h>

enum { CN_SHIFTED_BLOCK = 256 };

/* The codes of a block. */
struct cn_shifted_codes {
    uint16_t d;                           /* an f16, where a block has one */
    uint8_t code[CN_SHIFTED_BLOCK];       /* numbers of levels */
    uint8_t scale[CN_SHIFTED_BLOCK / 16]; /* of each group, a number below n_scales */
    bool shift[CN_SHIFTED_BLOCK / 16];
};

/* w = d * (scale_lo + scale_step * scale) * (levels[code] + (shifted ? shift : 0)) */
struct cn_shifted_kind {
    int group; /* 16 or 32 elements */
    int n_levels;
    const int8_t *levels;     /* ascending */
    int shift;                /* 0: none is shifted */
    const int8_t (*pairs)[2]; /* codes are of neighbours, from this list, their levels among those
                                 above; or NULL */
    int n_pairs;
    bool even; /* of a group's elements 2k, 2k + 1, 2k + 16, 2k + 17 the codes have an even number
                  of bits set */
    int scale_lo, scale_step, n_scales; /* n_scales <= 256 */
    uint32_t block_bytes;               /* at least 64 where the row has a header */
    uint32_t header_bytes;              /* 0: a block has a d of its own, an f16 */
    enum cn_weights_base base;
    void (*put)(const struct cn_shifted_codes *codes, void *block);
};

/* Quantises a row, header included; arguments as in cn_quantize_fn. */
void cn_shifted_quantize(const struct cn_shifted_kind *kind, int64_t n_cols, const float *x,
                         const float *importance, void *row);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Quantising onto codebooks of short vectors (the IQ1, IQ2 and IQ3 formats): which entry, which
 * signs, which scales. Weighted least squares; the entry is the exact nearest one for each scale
 * tried.
 */
#ifndef CN_GRID_H
#define CN_GRID_H

#include <stdint.h>

enum { CN_GRID_BLOCK = 256 };

enum cn_grid_signs {
    CN_SIGNS_FREE,  /* entries are magnitudes, each of 8 elements has a sign */
    CN_SIGNS_EVEN,  /* the same, but the number of negative ones of 8 is even */
    CN_SHIFT_GROUP, /* entries are signed; a bit per group chooses between two shifts of the levels
                     */
    CN_SHIFT_RUN,   /* the same, a bit per 8 elements */
};

/* w = d / unit * (2 * scale + 1) * level, scale in 0..scale_top of each group. */
struct cn_grid_kind {
    const void *entries; /* n_entries x dims bytes, element 0 first, each one of n_levels values */
    int n_entries;
    int dims;           /* 8 or 4 elements an entry */
    int n_levels;       /* 3 or 8 */
    int8_t level[2][8]; /* ascending; [1]: with the other shift */
    int group;          /* 16 or 32 elements */
    enum cn_grid_signs signs;
    int scale_top;
    float unit;
};

/* A codebook made ready for the search: entries in buckets by their first half. About 7 KiB, made
 * anew for each row, which costs little beside quantising it, and no global state. */
struct cn_grid {
    const struct cn_grid_kind *kind;
    int n_halves;
    uint16_t start[81 + 1]; /* bucket h: members start[h] .. start[h + 1] - 1 */
    uint8_t rest[2048];     /* their second halves */
    uint16_t index[2048];
};

struct cn_grid_codes {
    uint16_t index[CN_GRID_BLOCK / 4]; /* one per `dims` elements */
    uint8_t mask[CN_GRID_BLOCK / 8];   /* signs of 8 elements (bit set: negative), or the shift */
    uint8_t scale[CN_GRID_BLOCK / 16]; /* one per group */
};

void cn_grid_init(struct cn_grid *grid, const struct cn_grid_kind *kind);

/* Quantises a block of 256. Weights as in quant/quantizer.h. Returns d as an f16. */
uint16_t cn_grid_quantize(const struct cn_grid *grid, const float *x, const float *w,
                          struct cn_grid_codes *codes);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The trellis formats (IQ1_KT to IQ4_KT): runs of elements that a generator makes of an index, and
 * the search for the index, the group scales and the row scale.
 */
#ifndef CN_TRELLIS_H
#define CN_TRELLIS_H

#include <stdbool.h>
#include <stdint.h>

/* The generator: the state begins at the index and 4096; before each element it is multiplied with
 * this; four 6-bit numbers in it, summed up, less their mean, are the element. */
#define CN_TRELLIS_FACTOR 0xcbac1fedu
enum { CN_TRELLIS_START = 4096, CN_TRELLIS_MASK = 0x3f3f3f3f, CN_TRELLIS_MEAN = 126 };

/* The n elements, -126 .. 126, of an index. */
static inline void cn_trellis_run(uint32_t index, int n, int8_t *t)
{
    uint32_t x = index + CN_TRELLIS_START;
    for (int i = 0; i < n; i++) {
        x *= CN_TRELLIS_FACTOR;
        const uint32_t b = x & CN_TRELLIS_MASK;
        t[i] = (int8_t)((int)((b & 255) + (b >> 8 & 255) + (b >> 16 & 255) + (b >> 24)) -
                        CN_TRELLIS_MEAN);
    }
}

enum { CN_TRELLIS_GROUP = 32, CN_TRELLIS_BLOCK = 256 };

/* What a group of 32 is coded as. */
struct cn_trellis_group {
    int8_t scale;                         /* its level */
    uint16_t index[CN_TRELLIS_GROUP / 4]; /* of each run */
    uint32_t signs;                       /* bit e: element e is negative, if signs are apart */
};

/* w = d * scale * element, d the row's. */
struct cn_trellis_kind {
    int dims;     /* elements of a run: 8 or 4 */
    int n_index;  /* 8192 or 65536; with dims 4 all runs of a group are of one half of them */
    bool sizes;   /* elements are without sign, and signs apart */
    bool either;  /* scales may be negated */
    int n_levels; /* <= 64 */
    const int8_t *levels; /* what a group's scale may be, by rising size */
    int misses;           /* levels that are tried in vain before a way is given up */
    int around;           /* of the best level, those with all signs and books */
    float top;            /* the size that the largest scale of a row goes to */
    float shrink;         /* of the elements' deviation, where a group's scale is looked for */
    /* Sets the codes of a group, which are zero. */
    void (*put)(void *block, int group, const struct cn_trellis_group *g);
};

/* Quantises a row; returns d. weights: importance, or NULL. The blocks are block_bytes apart. */
float cn_trellis_quantize(const struct cn_trellis_kind *kind, int64_t n_cols, const float *x,
                          const float *weights, uint8_t *blocks, int block_bytes);

#endif

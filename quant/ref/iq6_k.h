/* SPDX-License-Identifier: MIT
 *
 * IQ6_K: 256 elements in sixteen groups of 16, 6.625 bits each, on 64 non-linear levels,
 * which a group may have shifted.
 */
#ifndef CN_IQ6_K_H
#define CN_IQ6_K_H

#include <stdint.h>

struct cn_block_iq6_k {
    uint16_t d;       /* f16 scale of the group scales */
    uint16_t shift;   /* bit g: the levels of group g are shifted */
    int8_t scale[16]; /* of the groups */
    uint8_t q[128];   /* 32 bytes for 64 elements: the first 32 low, the others high nibbles */
    uint8_t hi[64];   /* 32 bytes for 128 elements: bits 2r, 2r+1 of byte l are the high bits of
                       * element 32 r + l */
};
_Static_assert(sizeof(struct cn_block_iq6_k) == 212, "iq6_k block");

/* Levels, ascending. Shifted ones are higher by CN_IQ6_SHIFT (quant/ref/codebooks.h). */
extern const int8_t cn_iq6_k_levels[64];

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ2_K: 256 elements in sixteen groups of 16, 2.375 bits each, on the levels cn_iq2_levels,
 * which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ2_K_H
#define CN_IQ2_K_H

#include <stdint.h>

struct cn_block_iq2_k {
    uint16_t d;       /* f16 scale of the group scales */
    uint16_t shift;   /* bit g: the levels of group g are shifted */
    uint8_t scale[8]; /* 4 bits a group, low nibble first */
    uint8_t q[64];    /* 32 bytes for 128 elements: bits 2r, 2r+1 of byte l are element 32 r + l */
};
_Static_assert(sizeof(struct cn_block_iq2_k) == 76, "iq2_k block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ3_K: 256 elements in sixteen groups of 16, 3.4375 bits each, on the levels cn_iq3_levels,
 * which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ3_K_H
#define CN_IQ3_K_H

#include <stdint.h>

struct cn_block_iq3_k {
    uint16_t d;        /* f16 scale of the group scales */
    uint16_t shift;    /* bit g: the levels of group g are shifted */
    uint16_t negative; /* bit g: the scale of group g is negative */
    uint8_t scale[8];  /* 4 bits a group, low nibble first: 2 n + 1 */
    uint8_t q[64];     /* 32 bytes for 128 elements: bits 2r, 2r+1 of byte l are element 32 r + l */
    uint8_t hi[32];    /* byte l: bit r is the third bit of element 32 r + l */
};
_Static_assert(sizeof(struct cn_block_iq3_k) == 110, "iq3_k block");

#endif

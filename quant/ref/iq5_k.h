/* SPDX-License-Identifier: MIT
 *
 * IQ5_K: 256 elements in sixteen groups of 16, 5.5 bits each, on the non-linear levels
 * cn_iq5_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ5_K_H
#define CN_IQ5_K_H

#include <stdint.h>

struct cn_block_iq5_k {
    uint16_t d;          /* f16 scale of the group scales */
    uint16_t shift;      /* bit g: the levels of group g are shifted */
    uint8_t scale_hi[4]; /* high 2 bits of the scales, four groups a byte, low bits first */
    uint8_t scale_lo[8]; /* low 4 bits, two groups a byte, low nibble first */
    uint8_t q[128];      /* 32 bytes for 64 elements: the first 32 low, the others high nibbles */
    uint8_t hi[32];      /* byte l: bit r is the fifth bit of element 32 r + l */
};
_Static_assert(sizeof(struct cn_block_iq5_k) == 176, "iq5_k block");

#endif

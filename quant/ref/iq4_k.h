/* SPDX-License-Identifier: MIT
 *
 * IQ4_K: 256 elements in sixteen groups of 16, 4.5 bits each, on the non-linear levels
 * cn_iq4_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ4_K_H
#define CN_IQ4_K_H

#include <stdint.h>

struct cn_block_iq4_k {
    uint16_t d;          /* f16 scale of the group scales */
    uint16_t shift;      /* bit g: the levels of group g are shifted */
    uint8_t scale_hi[4]; /* high 2 bits of the scales, four groups a byte, low bits first */
    uint8_t scale_lo[8]; /* low 4 bits, two groups a byte, low nibble first */
    uint8_t q[128];      /* 16 bytes for 32 elements: the first 16 low, the others high nibbles */
};
_Static_assert(sizeof(struct cn_block_iq4_k) == 144, "iq4_k block");

#endif

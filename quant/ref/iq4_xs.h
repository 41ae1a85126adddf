/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS: 256 elements in eight groups of 32, 4.25 bits each, on the non-linear levels
 * cn_iq4_levels (quant/ref/codebooks.h).
 */
#ifndef CN_IQ4_XS_H
#define CN_IQ4_XS_H

#include <stdint.h>

struct cn_block_iq4_xs {
    uint16_t d;          /* f16 scale of the group scales */
    uint16_t scale_hi;   /* group g: bits 2g, 2g+1 are bits 4, 5 of its scale */
    uint8_t scale_lo[4]; /* low 4 bits, two groups a byte, low nibble first */
    uint8_t q[128];      /* 16 bytes a group: elements 0-15 low nibbles, 16-31 high nibbles */
};
_Static_assert(sizeof(struct cn_block_iq4_xs) == 136, "iq4_xs block");

#endif

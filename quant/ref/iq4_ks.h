/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS: 256 elements in eight groups of 32, 4.25 bits each, and an f32 scale for the row,
 * on the non-linear levels cn_iq4_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ4_KS_H
#define CN_IQ4_KS_H

#include <stdint.h>

struct cn_block_iq4_ks {
    uint8_t scale[8]; /* of group g: (byte & 254) - 127; bit 0: its levels are shifted */
    uint8_t q[128];   /* 16 bytes a group: elements 0-15 low nibbles, 16-31 high nibbles */
};
_Static_assert(sizeof(struct cn_block_iq4_ks) == 136, "iq4_ks block");

#endif

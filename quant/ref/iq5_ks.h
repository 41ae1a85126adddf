/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS: 256 elements in eight groups of 32, 5.25 bits each, and an f32 scale for the row,
 * on the non-linear levels cn_iq5_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ5_KS_H
#define CN_IQ5_KS_H

#include <stdint.h>

struct cn_block_iq5_ks {
    uint8_t scale[8]; /* of group g: (byte & 254) - 127; bit 0: its levels are shifted */
    uint8_t q[128];   /* 32 bytes for two groups: low nibbles one, high nibbles the other */
    uint8_t hi[32];   /* byte l: bit g is the fifth bit of element l of group g */
};
_Static_assert(sizeof(struct cn_block_iq5_ks) == 168, "iq5_ks block");

#endif

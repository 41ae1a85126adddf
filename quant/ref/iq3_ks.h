/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS: 256 elements in eight groups of 32, 3.1875 bits each, and an f16 scale for the row,
 * on the levels cn_iq3_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ3_KS_H
#define CN_IQ3_KS_H

#include <stdint.h>

struct cn_block_iq3_ks {
    uint16_t extra; /* bit g: high bit of the scale of group g; bit 8 + g: its levels are shifted */
    uint8_t scale[4]; /* low 4 bits of the scales: groups 0-3 low nibbles, 4-7 high nibbles */
    uint8_t q[64];    /* 32 bytes for 128 elements: bits 2r, 2r+1 of byte l are element 32 r + l */
    uint8_t hi[32];   /* byte l: bit g is the third bit of element l of group g */
};
_Static_assert(sizeof(struct cn_block_iq3_ks) == 102, "iq3_ks block");

#endif

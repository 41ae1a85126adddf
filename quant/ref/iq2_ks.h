/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS: 256 elements in eight groups of 32, 2.1875 bits each, and an f16 scale for the row,
 * on the levels cn_iq2_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ2_KS_H
#define CN_IQ2_KS_H

#include <stdint.h>

struct cn_block_iq2_ks {
    uint16_t extra; /* bit g: the levels of group g are shifted; bit 8 + g: high bit of its scale */
    uint8_t scale[4]; /* low 4 bits of the scales, low nibble first */
    uint8_t q[64];    /* 32 bytes for 128 elements: bits 2r, 2r+1 of byte l are element 32 r + l */
};
_Static_assert(sizeof(struct cn_block_iq2_ks) == 70, "iq2_ks block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ3_S: 256 elements in eight groups of 32, 3.4375 bits each. Runs of 4 magnitudes come from a
 * codebook of 512.
 */
#ifndef CN_IQ3_S_H
#define CN_IQ3_S_H

#include <stdint.h>

struct cn_block_iq3_s {
    uint16_t d;          /* f16 scale of the group scales */
    uint8_t index[64];   /* low 8 bits of the indices into cn_iq3_s_grid, one per 4 elements */
    uint8_t index_hi[8]; /* ninth bits: index k has bit k % 8 of byte k / 8 */
    uint8_t signs[32];   /* bit e % 8 of byte e / 8 set: negative */
    uint8_t scale[4];    /* 4 bits a group, low nibble first */
};
_Static_assert(sizeof(struct cn_block_iq3_s) == 110, "iq3_s block");

/* Magnitudes of 4 consecutive elements, the first in the lowest byte. */
extern const uint32_t cn_iq3_s_grid[512];

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ2_S: 256 elements in sixteen groups of 16, 2.5625 bits each. Runs of 8 magnitudes come from a
 * codebook of 1024.
 */
#ifndef CN_IQ2_S_H
#define CN_IQ2_S_H

#include <stdint.h>

struct cn_block_iq2_s {
    uint16_t d;          /* f16 scale of the group scales */
    uint8_t index[32];   /* low 8 bits of the indices into cn_iq2_s_grid, one per 8 elements */
    uint8_t signs[32];   /* bit e % 8 set: negative */
    uint8_t index_hi[8]; /* high 2 bits of the indices, four to a byte, lowest first */
    uint8_t scale[8];    /* 4 bits a group, low nibble first */
};
_Static_assert(sizeof(struct cn_block_iq2_s) == 82, "iq2_s block");

/* Magnitudes of 8 consecutive elements, the first in the lowest byte. */
extern const uint64_t cn_iq2_s_grid[1024];

#endif

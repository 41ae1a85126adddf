/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS: 256 elements in sixteen groups of 16, 2.3125 bits each. Runs of 8 magnitudes come from a
 * codebook of 512.
 */
#ifndef CN_IQ2_XS_H
#define CN_IQ2_XS_H

#include <stdint.h>

struct cn_block_iq2_xs {
    uint16_t d;       /* f16 scale of the group scales */
    uint16_t run[32]; /* low 9 bits: index into cn_iq2_xs_grid; high 7 bits: sign code */
    uint8_t scale[8]; /* 4 bits a group, low nibble first */
};
_Static_assert(sizeof(struct cn_block_iq2_xs) == 74, "iq2_xs block");

/* Magnitudes of 8 consecutive elements, the first in the lowest byte. */
extern const uint64_t cn_iq2_xs_grid[512];

#endif

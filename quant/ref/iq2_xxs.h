/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS: 256 elements in eight groups of 32, 2.0625 bits each. Runs of 8 magnitudes come from a
 * codebook of 256.
 */
#ifndef CN_IQ2_XXS_H
#define CN_IQ2_XXS_H

#include <stdint.h>

struct cn_block_iq2_xxs {
    uint16_t d; /* f16 scale of the group scales */
    struct {
        uint8_t index[4]; /* into cn_iq2_xxs_grid, one per 8 elements */
        uint8_t rest[4];  /* little endian: four 7-bit sign codes, from bit 28 the scale */
    } group[8];
};
_Static_assert(sizeof(struct cn_block_iq2_xxs) == 66, "iq2_xxs block");

/* Magnitudes of 8 consecutive elements, the first in the lowest byte. */
extern const uint64_t cn_iq2_xxs_grid[256];

#endif

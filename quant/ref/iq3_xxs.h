/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS: 256 elements in eight groups of 32, 3.0625 bits each. Runs of 4 magnitudes come from a
 * codebook of 256.
 */
#ifndef CN_IQ3_XXS_H
#define CN_IQ3_XXS_H

#include <stdint.h>

struct cn_block_iq3_xxs {
    uint16_t d;         /* f16 scale of the group scales */
    uint8_t index[64];  /* into cn_iq3_xxs_grid, one per 4 elements */
    uint8_t rest[8][4]; /* of each group, little endian: four 7-bit sign codes (one per 8
                         * elements), from bit 28 the scale */
};
_Static_assert(sizeof(struct cn_block_iq3_xxs) == 98, "iq3_xxs block");

/* Magnitudes of 4 consecutive elements, the first in the lowest byte. */
extern const uint32_t cn_iq3_xxs_grid[256];

#endif

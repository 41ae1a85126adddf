/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS: 256 elements in eight groups of 32, 4 bits each, and an f32 scale for the row, on the
 * non-linear levels cn_iq4_levels, which a group may have shifted (quant/ref/codebooks.h).
 */
#ifndef CN_IQ4_KSS_H
#define CN_IQ4_KSS_H

#include <stdint.h>

struct cn_block_iq4_kss {
    uint16_t q[8][8]; /* eight words a group: four codes, 15 bits; bit 0: of the scale byte */
};
_Static_assert(sizeof(struct cn_block_iq4_kss) == 128, "iq4_kss block");

#endif

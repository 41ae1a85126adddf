/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT: 256 elements, 2.125 bits each; a row begins with an f32 scale.
 */
#ifndef CN_IQ2_KT_H
#define CN_IQ2_KT_H

#include <stdint.h>

struct cn_block_iq2_kt {
    uint8_t scale[4];   /* of group g: nibble g / 4 of byte g % 4 */
    uint16_t index[32]; /* of each run of 8 */
};
_Static_assert(sizeof(struct cn_block_iq2_kt) == 68, "iq2_kt block");

#endif

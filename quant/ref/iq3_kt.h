/* SPDX-License-Identifier: MIT
 *
 * IQ3_KT: 256 elements, 3.125 bits each; a row begins with an f32 scale.
 */
#ifndef CN_IQ3_KT_H
#define CN_IQ3_KT_H

#include <stdint.h>

struct cn_block_iq3_kt {
    uint8_t scale[4];   /* of group g: nibble g / 4 of byte g % 4 */
    uint16_t index[32]; /* of each run of 8 */
    uint8_t sign[32];   /* of element e: bit e / 32 of byte e % 32 */
};
_Static_assert(sizeof(struct cn_block_iq3_kt) == 100, "iq3_kt block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ4_KT: 256 elements, 4 bits each; a row begins with an f32 scale.
 */
#ifndef CN_IQ4_KT_H
#define CN_IQ4_KT_H

#include <stdint.h>

struct cn_block_iq4_kt {
    uint8_t head[32]; /* of each group of 32 a word, little endian: see iq4_kt_ref.c */
    uint8_t low[64];  /* bits 0 to 7 of the index of each run of 4 */
    uint8_t high[32]; /* bits 8 to 11: of run k in nibble k / 32 of byte k % 32 */
};
_Static_assert(sizeof(struct cn_block_iq4_kt) == 128, "iq4_kt block");

#endif

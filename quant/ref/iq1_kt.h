/* SPDX-License-Identifier: MIT
 *
 * IQ1_KT: 256 elements, 1.75 bits each; a row begins with an f32 scale.
 */
#ifndef CN_IQ1_KT_H
#define CN_IQ1_KT_H

#include <stdint.h>

struct cn_block_iq1_kt {
    uint8_t head[8];  /* of each group of 32: its scale; above, bit 12 of the indices of its runs */
    uint8_t low[32];  /* bits 0 to 7 of the index of each run of 8 */
    uint8_t high[16]; /* bits 8 to 11: of run k in nibble k / 16 of byte k % 16 */
};
_Static_assert(sizeof(struct cn_block_iq1_kt) == 56, "iq1_kt block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q6_0: 32 elements with one scale, 6.5 bits each.
 */
#ifndef CN_Q6_0_H
#define CN_Q6_0_H

#include <stdint.h>

struct cn_block_q6_0 {
    uint16_t d; /* f16 scale */
    uint8_t
        hi[8]; /* bits 4 and 5: of element e and e + 16 in nibble e / 8 of byte e % 8 (e < 16) */
    uint8_t q[16]; /* low 4 bits: elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_q6_0) == 26, "q6_0 block");

#endif

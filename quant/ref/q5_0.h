/* SPDX-License-Identifier: MIT
 *
 * Q5_0: 32 elements with one scale, 5.5 bits each.
 */
#ifndef CN_Q5_0_H
#define CN_Q5_0_H

#include <stdint.h>

struct cn_block_q5_0 {
    uint16_t d;    /* f16 scale */
    uint8_t hi[4]; /* bit e, little endian: the fifth bit of element e */
    uint8_t q[16]; /* low 4 bits: elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_q5_0) == 22, "q5_0 block");

#endif

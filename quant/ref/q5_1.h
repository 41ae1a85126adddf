/* SPDX-License-Identifier: MIT
 *
 * Q5_1: 32 elements with a scale and an addend, 6 bits each.
 */
#ifndef CN_Q5_1_H
#define CN_Q5_1_H

#include <stdint.h>

struct cn_block_q5_1 {
    uint16_t d;    /* f16 scale */
    uint16_t m;    /* f16, added */
    uint8_t hi[4]; /* bit e, little endian: the fifth bit of element e */
    uint8_t q[16]; /* low 4 bits: elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_q5_1) == 24, "q5_1 block");

#endif

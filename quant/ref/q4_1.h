/* SPDX-License-Identifier: MIT
 *
 * Q4_1: 32 elements with a scale and an addend, 5 bits each.
 */
#ifndef CN_Q4_1_H
#define CN_Q4_1_H

#include <stdint.h>

struct cn_block_q4_1 {
    uint16_t d;    /* f16 scale */
    uint16_t m;    /* f16, added */
    uint8_t q[16]; /* elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_q4_1) == 20, "q4_1 block");

#endif

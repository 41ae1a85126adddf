/* SPDX-License-Identifier: MIT
 *
 * Q4_0: 32 elements with one scale, 4.5 bits each.
 */
#ifndef CN_Q4_0_H
#define CN_Q4_0_H

#include <stdint.h>

struct cn_block_q4_0 {
    uint16_t d;    /* f16 scale */
    uint8_t q[16]; /* elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_q4_0) == 18, "q4_0 block");

#endif

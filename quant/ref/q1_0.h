/* SPDX-License-Identifier: MIT
 *
 * Q1_0: 128 signs with one size, 1.125 bits each.
 */
#ifndef CN_Q1_0_H
#define CN_Q1_0_H

#include <stdint.h>

struct cn_block_q1_0 {
    uint16_t d;    /* f16 scale */
    uint8_t q[16]; /* element e: bit e % 8 of byte e / 8 */
};
_Static_assert(sizeof(struct cn_block_q1_0) == 18, "q1_0 block");

#endif

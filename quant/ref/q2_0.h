/* SPDX-License-Identifier: MIT
 *
 * Q2_0: 64 elements with one scale, 2.25 bits each.
 */
#ifndef CN_Q2_0_H
#define CN_Q2_0_H

#include <stdint.h>

struct cn_block_q2_0 {
    uint16_t d;    /* f16 scale */
    uint8_t q[16]; /* element e: bits 2 (e % 4), 2 (e % 4) + 1 of byte e / 4 */
};
_Static_assert(sizeof(struct cn_block_q2_0) == 18, "q2_0 block");

#endif

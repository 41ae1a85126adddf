/* SPDX-License-Identifier: MIT
 *
 * Q8_0: 32 elements with one scale, 8.5 bits each.
 */
#ifndef CN_Q8_0_H
#define CN_Q8_0_H

#include <stdint.h>

struct cn_block_q8_0 {
    uint16_t d; /* f16 scale */
    int8_t q[32];
};
_Static_assert(sizeof(struct cn_block_q8_0) == 34, "q8_0 block");

#endif

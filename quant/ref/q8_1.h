/* SPDX-License-Identifier: MIT
 *
 * Q8_1: 32 elements with one scale and their sum, 9 bits each. Other programs keep activations in
 * it; files hold none, but may.
 */
#ifndef CN_Q8_1_H
#define CN_Q8_1_H

#include <stdint.h>

struct cn_block_q8_1 {
    uint16_t d; /* f16 scale */
    uint16_t s; /* f16: d times the sum of q; not needed to decode */
    int8_t q[32];
};
_Static_assert(sizeof(struct cn_block_q8_1) == 36, "q8_1 block");

#endif

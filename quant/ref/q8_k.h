/* SPDX-License-Identifier: MIT
 *
 * Q8_K: 256 elements with one scale and their sums by sixteen, 9.125 bits each. Other programs keep
 * activations in it; files hold none, but may.
 */
#ifndef CN_Q8_K_H
#define CN_Q8_K_H

#include <stdint.h>

struct cn_block_q8_k {
    float d; /* of either sign */
    int8_t q[256];
    int16_t sum[16]; /* of q, sixteen by sixteen; not needed to decode */
};
_Static_assert(sizeof(struct cn_block_q8_k) == 292, "q8_k block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q4_K: 256 elements in eight groups of 32, 4.5 bits each.
 */
#ifndef CN_Q4_K_H
#define CN_Q4_K_H

#include <stdint.h>

struct cn_block_q4_k {
    uint16_t d;         /* f16 scale of the group scales */
    uint16_t dmin;      /* f16 scale of the group minima */
    uint8_t scales[12]; /* 6-bit scale and minimum of each group: quant/ref/k_scales.h */
    uint8_t q[128];     /* groups 2k (low nibbles) and 2k+1 (high nibbles) share bytes 32k.. */
};
_Static_assert(sizeof(struct cn_block_q4_k) == 144, "q4_k block");

#endif

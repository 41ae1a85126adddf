/* SPDX-License-Identifier: MIT
 *
 * Q5_K: 256 elements in eight groups of 32, 5.5 bits each.
 */
#ifndef CN_Q5_K_H
#define CN_Q5_K_H

#include <stdint.h>

struct cn_block_q5_k {
    uint16_t d;         /* f16 scale of the group scales */
    uint16_t dmin;      /* f16 scale of the group minima */
    uint8_t scales[12]; /* 6-bit scale and minimum of each group: quant/ref/k_scales.h */
    uint8_t hi[32];     /* fifth bits: element e has bit e / 32 of byte e % 32 */
    uint8_t q[128];     /* low 4 bits: groups 2k (low nibbles) and 2k+1 share bytes 32k.. */
};
_Static_assert(sizeof(struct cn_block_q5_k) == 176, "q5_k block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q2_K: 256 elements in sixteen groups of 16, 2.625 bits each.
 */
#ifndef CN_Q2_K_H
#define CN_Q2_K_H

#include <stdint.h>

struct cn_block_q2_k {
    uint8_t scales[16]; /* of each group: low nibble scale, high nibble minimum */
    uint8_t q[64];      /* 2-bit codes: see q2_k_ref.c */
    uint16_t d;         /* f16 scale of the group scales */
    uint16_t dmin;      /* f16 scale of the group minima */
};
_Static_assert(sizeof(struct cn_block_q2_k) == 84, "q2_k block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * Q6_K: 256 elements in sixteen groups of 16, 6.5625 bits each.
 */
#ifndef CN_Q6_K_H
#define CN_Q6_K_H

#include <stdint.h>

struct cn_block_q6_k {
    uint8_t lo[128];  /* low 4 bits of the codes: see q6_k_ref.c */
    uint8_t hi[64];   /* high 2 bits */
    int8_t scale[16]; /* of each group */
    uint16_t d;       /* f16 scale of the group scales */
};
_Static_assert(sizeof(struct cn_block_q6_k) == 210, "q6_k block");

#endif

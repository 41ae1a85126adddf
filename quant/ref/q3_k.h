/* SPDX-License-Identifier: MIT
 *
 * Q3_K: 256 elements in sixteen groups of 16, 3.4375 bits each.
 */
#ifndef CN_Q3_K_H
#define CN_Q3_K_H

#include <stdint.h>

struct cn_block_q3_k {
    uint8_t hi[32];     /* high bits of the codes: element e has bit e / 32 of byte e % 32 */
    uint8_t q[64];      /* low 2 bits of the codes: see q3_k_ref.c */
    uint8_t scales[12]; /* 6-bit scales of the groups, packed: see q3_k_ref.c */
    uint16_t d;         /* f16 scale of the group scales */
};
_Static_assert(sizeof(struct cn_block_q3_k) == 110, "q3_k block");

#endif

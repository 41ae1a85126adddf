/* SPDX-License-Identifier: MIT
 *
 * TQ2_0: 256 ternary elements with one scale, 2.0625 bits each.
 */
#ifndef CN_TQ2_0_H
#define CN_TQ2_0_H

#include <stdint.h>

struct cn_block_tq2_0 {
    uint8_t q[64]; /* 2-bit codes: see tq2_0_ref.c */
    uint16_t d;    /* f16 scale */
};
_Static_assert(sizeof(struct cn_block_tq2_0) == 66, "tq2_0 block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * TQ1_0: 256 ternary elements with one scale, 1.6875 bits each.
 */
#ifndef CN_TQ1_0_H
#define CN_TQ1_0_H

#include <stdint.h>

struct cn_block_tq1_0 {
    uint8_t q[52]; /* five (the last four bytes: four) base-3 digits a byte: see tq1_0_ref.c */
    uint16_t d;    /* f16 scale */
};
_Static_assert(sizeof(struct cn_block_tq1_0) == 54, "tq1_0 block");

#endif

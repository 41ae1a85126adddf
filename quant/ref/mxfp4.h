/* SPDX-License-Identifier: MIT
 *
 * MXFP4: 32 elements of E2M1 with a shared power of two, 4.25 bits each (OCP Microscaling Formats
 * specification 1.0).
 */
#ifndef CN_MXFP4_H
#define CN_MXFP4_H

#include <stdint.h>

struct cn_block_mxfp4 {
    uint8_t e;     /* exponent: see mxfp4_ref.c */
    uint8_t q[16]; /* elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_mxfp4) == 17, "mxfp4 block");

/* Twice the E2M1 value of each code. Code 8, -0 there, stands for +0 here. */
extern const int8_t cn_mxfp4_levels[16];

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL: 32 elements with one scale, 4.5 bits each, on the non-linear levels cn_iq4_levels
 * (quant/ref/codebooks.h).
 */
#ifndef CN_IQ4_NL_H
#define CN_IQ4_NL_H

#include <stdint.h>

struct cn_block_iq4_nl {
    uint16_t d;    /* f16 scale */
    uint8_t q[16]; /* elements 0-15 in the low nibbles, 16-31 in the high ones */
};
_Static_assert(sizeof(struct cn_block_iq4_nl) == 18, "iq4_nl block");

#endif

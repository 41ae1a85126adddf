/* SPDX-License-Identifier: MIT
 *
 * IQ1_M: 256 elements in sixteen groups of 16, 1.75 bits each. Runs of 8 ternary values come from
 * the codebook cn_iq1_grid (quant/ref/codebooks.h).
 */
#ifndef CN_IQ1_M_H
#define CN_IQ1_M_H

#include <stdint.h>

struct cn_block_iq1_m {
    uint8_t index[32]; /* low 8 bits of the indices, one per 8 elements */
    uint8_t rest[16];  /* 4 bits a run, low nibble first: 3 high index bits, shift's sign */
    uint8_t scale[8];  /* four u16, little endian: 4 x 3 bits of group scales, and in the top 4 bits
                        * a nibble of the f16 block scale, lowest first */
};
_Static_assert(sizeof(struct cn_block_iq1_m) == 56, "iq1_m block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ1_S: 256 elements in eight groups of 32, 1.5625 bits each. Runs of 8 ternary values come from
 * the codebook cn_iq1_grid (quant/ref/codebooks.h).
 */
#ifndef CN_IQ1_S_H
#define CN_IQ1_S_H

#include <stdint.h>

struct cn_block_iq1_s {
    uint16_t d;        /* f16 scale of the group scales */
    uint8_t index[32]; /* low 8 bits of the indices, one per 8 elements */
    uint16_t rest[8];  /* of each group: four times 3 high index bits, 3 bits scale, shift's sign */
};
_Static_assert(sizeof(struct cn_block_iq1_s) == 50, "iq1_s block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * BF16: the upper half of an IEEE 754 binary32.
 */
#ifndef CN_BF16_H
#define CN_BF16_H

#include <stdint.h>

struct cn_block_bf16 {
    uint16_t h;
};
_Static_assert(sizeof(struct cn_block_bf16) == 2, "bf16 block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * F16: the value itself, IEEE 754 binary16, little endian.
 */
#ifndef CN_F16_H
#define CN_F16_H

#include <stdint.h>

struct cn_block_f16 {
    uint16_t h;
};
_Static_assert(sizeof(struct cn_block_f16) == 2, "f16 block");

#endif

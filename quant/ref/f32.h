/* SPDX-License-Identifier: MIT
 *
 * F32: the value itself, IEEE 754 binary32, little endian.
 */
#ifndef CN_F32_H
#define CN_F32_H

#include <stdint.h>

struct cn_block_f32 {
    float x;
};
_Static_assert(sizeof(struct cn_block_f32) == 4, "f32 block");

#endif

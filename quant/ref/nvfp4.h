/* SPDX-License-Identifier: MIT
 *
 * NVFP4: 64 elements of E2M1, 16 of them with a scale of E4M3, 4.5 bits each.
 */
#ifndef CN_NVFP4_H
#define CN_NVFP4_H

#include <stdint.h>

struct cn_block_nvfp4 {
    uint8_t scale[4]; /* of 16 elements each: see nvfp4_ref.c */
    uint8_t q[32];    /* of 16 elements 8 bytes: the first 8 in the low nibbles, the others above */
};
_Static_assert(sizeof(struct cn_block_nvfp4) == 36, "nvfp4 block");

#endif

/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL: 256 elements in eight groups of 32, 2.6875 bits each, and an f16 scale for the row,
 * by pairs of neighbours on a codebook of 32 pairs of levels.
 */
#ifndef CN_IQ2_KL_H
#define CN_IQ2_KL_H

#include <stdint.h>

struct cn_block_iq2_kl {
    uint16_t scale_hi;   /* bits 2g, 2g+1: high bits of the scale of group g */
    uint8_t scale_lo[4]; /* low 4 bits: groups 0-3 low nibbles, 4-7 high nibbles */
    uint8_t q[64];  /* 16 bytes for two groups: pair p of the one low, the other high nibbles */
    uint8_t hi[16]; /* byte p: bit g is the fifth bit of pair p of group g */
};
_Static_assert(sizeof(struct cn_block_iq2_kl) == 86, "iq2_kl block");

extern const int8_t cn_iq2_kl_pairs[32][2];

#endif

/* SPDX-License-Identifier: MIT
 *
 * How the formats IQ2_K to IQ6_K and their kin pack what several of them have alike. Setters want
 * bytes that are zero.
 */
#ifndef CN_IQ_K_H
#define CN_IQ_K_H

#include <stdint.h>

/* IQ4_K and IQ5_K: the 6-bit scale of group g. */
static inline int cn_iq_k_scale6(const uint8_t *hi, const uint8_t *lo, int g)
{
    return (lo[g / 2] >> (4 * (g % 2)) & 15) | (hi[g / 4] >> (2 * (g % 4)) & 3) << 4;
}

static inline void cn_iq_k_set_scale6(uint8_t *hi, uint8_t *lo, int g, int code)
{
    lo[g / 2] |= (uint8_t)((code & 15) << (4 * (g % 2)));
    hi[g / 4] |= (uint8_t)(code >> 4 << (2 * (g % 4)));
}

/* Low nibbles of IQ5_K, IQ5_KS and IQ6_K: 32 bytes for two runs of 32 elements. */
static inline int cn_iq_k_nibble(const uint8_t *q, int e)
{
    return q[32 * (e / 64) + e % 32] >> (4 * (e / 32 % 2)) & 15;
}

static inline void cn_iq_k_set_nibble(uint8_t *q, int e, int code)
{
    q[32 * (e / 64) + e % 32] |= (uint8_t)((code & 15) << (4 * (e / 32 % 2)));
}

/* Low two bits of IQ2_K, IQ3_K and their kin, and the high ones of IQ6_K: 32 bytes for four runs of
 * 32 elements. */
static inline int cn_iq_k_pair(const uint8_t *q, int e)
{
    return q[32 * (e / 128) + e % 32] >> (2 * (e / 32 % 4)) & 3;
}

static inline void cn_iq_k_set_pair(uint8_t *q, int e, int code)
{
    q[32 * (e / 128) + e % 32] |= (uint8_t)((code & 3) << (2 * (e / 32 % 4)));
}

/* One more bit: 32 bytes for eight runs of 32 elements. */
static inline int cn_iq_k_bit(const uint8_t *q, int e)
{
    return q[e % 32] >> (e / 32) & 1;
}

static inline void cn_iq_k_set_bit(uint8_t *q, int e, int bit)
{
    q[e % 32] |= (uint8_t)((bit & 1) << (e / 32));
}

/* IQ4_KS, IQ5_KS and IQ4_KSS: a byte for the scale of a group and whether its levels are shifted.
 */
static inline int cn_iq_k_byte_scale(int byte)
{
    return (byte & 254) - 127;
}

static inline uint8_t cn_iq_k_scale_byte(int code, int shifted)
{
    return (uint8_t)(2 * code | shifted);
}

#endif

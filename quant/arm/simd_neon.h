/* SPDX-License-Identifier: MIT
 *
 * What the neon kernels share: products of bytes with Armv8.0's smull and smlal. Two products of
 * bytes fit in 16 bits whatever the codes; how many more may be added there follows from the
 * format's largest code.
 */
#ifndef CN_SIMD_NEON_H
#define CN_SIMD_NEON_H

#include "quant/arm/simd_arm.h"

/* Products of 16 codes, two to a lane. */
ALWAYS int16x8_t products(int8x16_t c, int8x16_t q)
{
    return vmlal_high_s8(vmull_s8(vget_low_s8(c), vget_low_s8(q)), c, q);
}

ALWAYS int16x8_t more_products(int16x8_t sum, int8x16_t c, int8x16_t q)
{
    return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(c), vget_low_s8(q)), c, q);
}

ALWAYS int32x4_t neon_of32(const int8x16_t c[8], const int8_t *q, const int largest)
{
    int32x4_t s[4];
    if (largest > 64) { /* two products to a lane */
        UNROLL for (int g = 0; g < 4; g++)
        {
            s[g] = vpaddlq_s16(products(c[2 * g], vld1q_s8(q + 32 * g)));
            s[g] = vpadalq_s16(s[g], products(c[2 * g + 1], vld1q_s8(q + 32 * g + 16)));
        }
        return vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
    }
    int16x8_t p[4]; /* four */
    UNROLL for (int g = 0; g < 4; g++) p[g] = more_products(
        products(c[2 * g], vld1q_s8(q + 32 * g)), c[2 * g + 1], vld1q_s8(q + 32 * g + 16));
    if (largest > 32) {
        UNROLL for (int g = 0; g < 4; g++) s[g] = vpaddlq_s16(p[g]);
        return vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
    }
    return vpaddq_s32(vpaddlq_s16(vpaddq_s16(p[0], p[1])), /* eight */
                      vpaddlq_s16(vpaddq_s16(p[2], p[3])));
}

ALWAYS int32x4_t neon_of16(const int8x16_t c[4], const int8_t *q, const int largest)
{
    int16x8_t p[4];
    UNROLL for (int g = 0; g < 4; g++) p[g] = products(c[g], vld1q_s8(q + 16 * g));
    if (largest <= 64)
        return vpaddq_s32(vpaddlq_s16(vpaddq_s16(p[0], p[1])), vpaddlq_s16(vpaddq_s16(p[2], p[3])));
    return vpaddq_s32(vpaddq_s32(vpaddlq_s16(p[0]), vpaddlq_s16(p[1])),
                      vpaddq_s32(vpaddlq_s16(p[2]), vpaddlq_s16(p[3])));
}

static const struct arm_dots neon_dots = { neon_of32, neon_of16 };

#endif

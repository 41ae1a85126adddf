/* SPDX-License-Identifier: MIT
 *
 * What the dotprod kernels share: products of bytes with Armv8.2's sdot.
 */
#ifndef CN_SIMD_DOTPROD_H
#define CN_SIMD_DOTPROD_H

#ifndef __ARM_FEATURE_DOTPROD
#error "simd_dotprod.h needs the flags of the dotprod tier"
#endif

#include "quant/arm/simd_arm.h"

ALWAYS int32x4_t dotprod_of32(const int8x16_t c[8], const int8_t *q, const int largest)
{
    int32x4_t s[4];
    (void)largest;
    UNROLL for (int g = 0; g < 4; g++)
    {
        s[g] = vdotq_s32(vdupq_n_s32(0), c[2 * g], vld1q_s8(q + 32 * g));
        s[g] = vdotq_s32(s[g], c[2 * g + 1], vld1q_s8(q + 32 * g + 16));
    }
    return vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
}

ALWAYS int32x4_t dotprod_of16(const int8x16_t c[4], const int8_t *q, const int largest)
{
    int32x4_t s[4];
    (void)largest;
    UNROLL for (int g = 0; g < 4; g++) s[g] = vdotq_s32(vdupq_n_s32(0), c[g], vld1q_s8(q + 16 * g));
    return vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
}

static const struct arm_dots dotprod_dots = { dotprod_of32, dotprod_of16 };

#endif

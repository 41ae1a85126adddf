/* SPDX-License-Identifier: MIT
 *
 * Q6_0 for Armv8.0. Block, idea: q6_0_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q6_0_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q6_0_neon;

ARM_GEMV(q6_0, neon)
ARM_UNPACK(q6_0, neon)

const struct cn_kernels cn_q6_0_neon = {
    .gemv = q6_0_gemv_neon,
    .unpack = q6_0_unpack_neon,
    .panel = {.code_max = 63, .offset = 32, .sub = 32, .has_min = false},
};

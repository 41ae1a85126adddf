/* SPDX-License-Identifier: MIT
 *
 * Q1_0 for Armv8.0. Block, idea: q1_0_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q1_0_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q1_0_neon;

ARM_GEMV(q1_0, neon)
ARM_UNPACK(q1_0, neon)

const struct cn_kernels cn_q1_0_neon = {
    .gemv = q1_0_gemv_neon,
    .unpack = q1_0_unpack_neon,
    .panel = {.code_max = 2, .offset = 1, .sub = 32, .has_min = false},
};

/* SPDX-License-Identifier: MIT
 *
 * TQ1_0 for Armv8.0. Block, idea: tq1_0_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/simd_neon.h"
#include "quant/arm/tq1_0_arm.h"

extern const struct cn_kernels cn_tq1_0_neon;

ARM_GEMV(tq1_0, neon)
ARM_UNPACK(tq1_0, neon)

const struct cn_kernels cn_tq1_0_neon = {
    .gemv = tq1_0_gemv_neon,
    .unpack = tq1_0_unpack_neon,
    .panel = {.code_max = 2, .offset = 1, .sub = 32, .has_min = false},
};

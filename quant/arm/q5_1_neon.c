/* SPDX-License-Identifier: MIT
 *
 * Q5_1 for Armv8.0. Block, idea: q5_1_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q5_1_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q5_1_neon;

ARM_GEMV(q5_1, neon)
ARM_UNPACK(q5_1, neon)

const struct cn_kernels cn_q5_1_neon = {
    .gemv = q5_1_gemv_neon,
    .unpack = q5_1_unpack_neon,
    .panel = {.code_max = 31, .offset = 0, .sub = 32, .has_min = true},
};

/* SPDX-License-Identifier: MIT
 *
 * Q2_K for Armv8.0. Block, idea: q2_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q2_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q2_k_neon;

ARM_GEMV(q2_k, neon)
ARM_UNPACK(q2_k, neon)

const struct cn_kernels cn_q2_k_neon = {
    .gemv = q2_k_gemv_neon,
    .unpack = q2_k_unpack_neon,
    .panel = {.code_max = 3, .offset = 0, .sub = 16, .has_min = true},
};

/* SPDX-License-Identifier: MIT
 *
 * Q5_K for Armv8.0. Block, idea: q5_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q5_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q5_k_neon;

ARM_GEMV(q5_k, neon)
ARM_UNPACK(q5_k, neon)

const struct cn_kernels cn_q5_k_neon = {
    .gemv = q5_k_gemv_neon,
    .unpack = q5_k_unpack_neon,
    .panel = {.code_max = 31, .offset = 0, .sub = 32, .has_min = true},
};

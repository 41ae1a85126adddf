/* SPDX-License-Identifier: MIT
 *
 * Q4_K for Armv8.0. Block, idea: q4_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q4_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q4_k_neon;

ARM_GEMV(q4_k, neon)
ARM_UNPACK(q4_k, neon)

const struct cn_kernels cn_q4_k_neon = {
    .gemv = q4_k_gemv_neon,
    .unpack = q4_k_unpack_neon,
    .panel = {.code_max = 15, .offset = 0, .sub = 32, .has_min = true},
};

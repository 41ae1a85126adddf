/* SPDX-License-Identifier: MIT
 *
 * Q3_K for Armv8.0. Block, idea: q3_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/q3_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_q3_k_neon;

ARM_GEMV(q3_k, neon)
ARM_UNPACK(q3_k, neon)

const struct cn_kernels cn_q3_k_neon = {
    .gemv = q3_k_gemv_neon,
    .unpack = q3_k_unpack_neon,
    .panel = {.code_max = 7, .offset = 4, .sub = 16, .has_min = false},
};

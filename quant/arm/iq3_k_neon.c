/* SPDX-License-Identifier: MIT
 *
 * IQ3_K for Armv8.0. Block, idea: iq3_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq3_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq3_k_neon;

ARM_GEMV(iq3_k, neon)
ARM_UNPACK(iq3_k, neon)

const struct cn_kernels cn_iq3_k_neon = {
    .gemv = iq3_k_gemv_neon,
    .unpack = iq3_k_unpack_neon,
    .panel = {.code_max = 114, .offset = 63, .sub = 16, .has_min = false},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ2_K for Armv8.0. Block, idea: iq2_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq2_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq2_k_neon;

ARM_GEMV(iq2_k, neon)
ARM_UNPACK(iq2_k, neon)

const struct cn_kernels cn_iq2_k_neon = {
    .gemv = iq2_k_gemv_neon,
    .unpack = iq2_k_unpack_neon,
    .panel = {.code_max = 53, .offset = 31, .sub = 16, .has_min = false},
};

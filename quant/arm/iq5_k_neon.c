/* SPDX-License-Identifier: MIT
 *
 * IQ5_K for Armv8.0. Block, idea: iq5_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq5_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq5_k_neon;

ARM_GEMV(iq5_k, neon)
ARM_UNPACK(iq5_k, neon)

const struct cn_kernels cn_iq5_k_neon = {
    .gemv = iq5_k_gemv_neon,
    .unpack = iq5_k_unpack_neon,
    .panel = {.code_max = 249, .offset = 126, .sub = 16, .has_min = false},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS for Armv8.0. Block, idea: iq3_ks_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq3_ks_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq3_ks_neon;

ARM_GEMV_HEADED(iq3_ks, neon, 2)
ARM_UNPACK(iq3_ks, neon)

const struct cn_kernels cn_iq3_ks_neon = {
    .gemv = iq3_ks_gemv_neon,
    .unpack = iq3_ks_unpack_neon,
    .panel = {.code_max = 114, .offset = 63, .sub = 32, .has_min = false},
};

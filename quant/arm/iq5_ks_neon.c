/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS for Armv8.0. Block, idea: iq5_ks_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq5_ks_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq5_ks_neon;

ARM_GEMV_HEADED(iq5_ks, neon, 4)
ARM_UNPACK(iq5_ks, neon)

const struct cn_kernels cn_iq5_ks_neon = {
    .gemv = iq5_ks_gemv_neon,
    .unpack = iq5_ks_unpack_neon,
    .panel = {.code_max = 249, .offset = 126, .sub = 32, .has_min = false},
};

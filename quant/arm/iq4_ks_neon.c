/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS for Armv8.0. Block, idea: iq4_ks_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq4_ks_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq4_ks_neon;

ARM_GEMV_HEADED(iq4_ks, neon, 4)
ARM_UNPACK(iq4_ks, neon)

const struct cn_kernels cn_iq4_ks_neon = {
    .gemv = iq4_ks_gemv_neon,
    .unpack = iq4_ks_unpack_neon,
    .panel = {.code_max = 244, .offset = 127, .sub = 32, .has_min = false},
};

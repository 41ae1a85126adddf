/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS for Armv8.0. Block, idea: iq4_kss_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq4_kss_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq4_kss_neon;

ARM_GEMV_HEADED(iq4_kss, neon, 4)
ARM_UNPACK(iq4_kss, neon)

const struct cn_kernels cn_iq4_kss_neon = {
    .gemv = iq4_kss_gemv_neon,
    .unpack = iq4_kss_unpack_neon,
    .panel = {.code_max = 244, .offset = 127, .sub = 32, .has_min = false},
};

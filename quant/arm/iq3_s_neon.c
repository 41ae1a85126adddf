/* SPDX-License-Identifier: MIT
 *
 * IQ3_S for Armv8.0. Block, idea: iq3_s_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq3_s_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq3_s_neon;

ARM_GEMV(iq3_s, neon)
ARM_UNPACK(iq3_s, neon)

const struct cn_kernels cn_iq3_s_neon = {
    .gemv = iq3_s_gemv_neon,
    .unpack = iq3_s_unpack_neon,
    .panel = {.code_max = 30, .offset = 15, .sub = 32, .has_min = false},
};

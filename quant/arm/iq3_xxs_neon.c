/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS for Armv8.0. Block, idea: iq3_xxs_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq3_xxs_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq3_xxs_neon;

ARM_GEMV(iq3_xxs, neon)
ARM_UNPACK(iq3_xxs, neon)

const struct cn_kernels cn_iq3_xxs_neon = {
    .gemv = iq3_xxs_gemv_neon,
    .unpack = iq3_xxs_unpack_neon,
    .panel = {.code_max = 62, .offset = 31, .sub = 32, .has_min = false},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ2_XXS for Armv8.0. Block, idea: iq2_xxs_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq2_xxs_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq2_xxs_neon;

ARM_GEMV(iq2_xxs, neon)
ARM_UNPACK(iq2_xxs, neon)

const struct cn_kernels cn_iq2_xxs_neon = {
    .gemv = iq2_xxs_gemv_neon,
    .unpack = iq2_xxs_unpack_neon,
    .panel = {.code_max = 86, .offset = 43, .sub = 32, .has_min = false},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ2_XS for Armv8.0. Block, idea: iq2_xs_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq2_xs_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq2_xs_neon;

ARM_GEMV(iq2_xs, neon)
ARM_UNPACK(iq2_xs, neon)

const struct cn_kernels cn_iq2_xs_neon = {
    .gemv = iq2_xs_gemv_neon,
    .unpack = iq2_xs_unpack_neon,
    .panel = {.code_max = 86, .offset = 43, .sub = 16, .has_min = false},
};

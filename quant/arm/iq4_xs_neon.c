/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for Armv8.0. Block, idea: iq4_xs_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq4_xs_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq4_xs_neon;

ARM_GEMV(iq4_xs, neon)
ARM_UNPACK(iq4_xs, neon)

const struct cn_kernels cn_iq4_xs_neon = {
    .gemv = iq4_xs_gemv_neon,
    .unpack = iq4_xs_unpack_neon,
    .panel = {.code_max = 240, .offset = 127, .sub = 32, .has_min = false},
};

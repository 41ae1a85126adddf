/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL for Armv8.0. Block, idea: iq4_nl_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq4_nl_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq4_nl_neon;

ARM_GEMV(iq4_nl, neon)
ARM_UNPACK(iq4_nl, neon)

const struct cn_kernels cn_iq4_nl_neon = {
    .gemv = iq4_nl_gemv_neon,
    .unpack = iq4_nl_unpack_neon,
    .panel = {.code_max = 240, .offset = 127, .sub = 32, .has_min = false},
};

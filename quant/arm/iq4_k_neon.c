/* SPDX-License-Identifier: MIT
 *
 * IQ4_K for Armv8.0. Block, idea: iq4_k_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq4_k_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq4_k_neon;

ARM_GEMV(iq4_k, neon)
ARM_UNPACK(iq4_k, neon)

const struct cn_kernels cn_iq4_k_neon = {
    .gemv = iq4_k_gemv_neon,
    .unpack = iq4_k_unpack_neon,
    .panel = {.code_max = 244, .offset = 127, .sub = 16, .has_min = false},
};

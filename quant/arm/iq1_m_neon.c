/* SPDX-License-Identifier: MIT
 *
 * IQ1_M for Armv8.0. Block, idea: iq1_m_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq1_m_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq1_m_neon;

ARM_GEMV(iq1_m, neon)
ARM_UNPACK(iq1_m, neon)

const struct cn_kernels cn_iq1_m_neon = {
    .gemv = iq1_m_gemv_neon,
    .unpack = iq1_m_unpack_neon,
    .panel = {.code_max = 18, .offset = 9, .sub = 16, .has_min = false},
};

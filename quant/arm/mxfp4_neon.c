/* SPDX-License-Identifier: MIT
 *
 * MXFP4 for Armv8.0. Block, idea: mxfp4_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/mxfp4_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_mxfp4_neon;

ARM_GEMV(mxfp4, neon)
ARM_UNPACK(mxfp4, neon)

const struct cn_kernels cn_mxfp4_neon = {
    .gemv = mxfp4_gemv_neon,
    .unpack = mxfp4_unpack_neon,
    .panel = {.code_max = 24, .offset = 12, .sub = 32, .has_min = false},
};

/* SPDX-License-Identifier: MIT
 *
 * NVFP4 for Armv8.0. Block, idea: nvfp4_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 16 columns; integer parts are
 * exact.
 */
#include "quant/arm/nvfp4_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_nvfp4_neon;

ARM_GEMV(nvfp4, neon)
ARM_UNPACK(nvfp4, neon)

const struct cn_kernels cn_nvfp4_neon = {
    .gemv = nvfp4_gemv_neon,
    .unpack = nvfp4_unpack_neon,
    .panel = {.code_max = 24, .offset = 12, .sub = 16, .has_min = false},
};

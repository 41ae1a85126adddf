/* SPDX-License-Identifier: MIT
 *
 * NVFP4 for Armv8.2 with dot products. Block, idea: nvfp4_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 16 columns;
 * integer parts are exact.
 */
#include "quant/arm/nvfp4_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_nvfp4_dotprod;

ARM_GEMV(nvfp4, dotprod)

const struct cn_kernels cn_nvfp4_dotprod = { .gemv = nvfp4_gemv_dotprod };

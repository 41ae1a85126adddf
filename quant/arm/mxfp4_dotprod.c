/* SPDX-License-Identifier: MIT
 *
 * MXFP4 for Armv8.2 with dot products. Block, idea: mxfp4_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/mxfp4_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_mxfp4_dotprod;

ARM_GEMV(mxfp4, dotprod)

const struct cn_kernels cn_mxfp4_dotprod = { .gemv = mxfp4_gemv_dotprod };

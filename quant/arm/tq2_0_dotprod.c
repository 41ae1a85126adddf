/* SPDX-License-Identifier: MIT
 *
 * TQ2_0 for Armv8.2 with dot products. Block, idea: tq2_0_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/simd_dotprod.h"
#include "quant/arm/tq2_0_arm.h"

extern const struct cn_kernels cn_tq2_0_dotprod;

ARM_GEMV(tq2_0, dotprod)

const struct cn_kernels cn_tq2_0_dotprod = { .gemv = tq2_0_gemv_dotprod };

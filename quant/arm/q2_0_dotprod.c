/* SPDX-License-Identifier: MIT
 *
 * Q2_0 for Armv8.2 with dot products. Block, idea: q2_0_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/q2_0_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_q2_0_dotprod;

ARM_GEMV(q2_0, dotprod)

const struct cn_kernels cn_q2_0_dotprod = { .gemv = q2_0_gemv_dotprod };

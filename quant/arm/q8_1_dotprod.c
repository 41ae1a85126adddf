/* SPDX-License-Identifier: MIT
 *
 * Q8_1 for Armv8.2 with dot products. Block, idea: q8_1_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/q8_1_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_q8_1_dotprod;

ARM_GEMV(q8_1, dotprod)

const struct cn_kernels cn_q8_1_dotprod = { .gemv = q8_1_gemv_dotprod };

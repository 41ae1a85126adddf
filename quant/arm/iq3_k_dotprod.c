/* SPDX-License-Identifier: MIT
 *
 * IQ3_K for Armv8.2 with dot products. Block, idea: iq3_k_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/iq3_k_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_iq3_k_dotprod;

ARM_GEMV(iq3_k, dotprod)

const struct cn_kernels cn_iq3_k_dotprod = { .gemv = iq3_k_gemv_dotprod };

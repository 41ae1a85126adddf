/* SPDX-License-Identifier: MIT
 *
 * IQ1_S for Armv8.2 with dot products. Block, idea: iq1_s_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/iq1_s_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_iq1_s_dotprod;

ARM_GEMV(iq1_s, dotprod)

const struct cn_kernels cn_iq1_s_dotprod = { .gemv = iq1_s_gemv_dotprod };

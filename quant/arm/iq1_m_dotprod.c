/* SPDX-License-Identifier: MIT
 *
 * IQ1_M for Armv8.2 with dot products. Block, idea: iq1_m_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/iq1_m_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_iq1_m_dotprod;

ARM_GEMV(iq1_m, dotprod)

const struct cn_kernels cn_iq1_m_dotprod = { .gemv = iq1_m_gemv_dotprod };

/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT for Armv8.2 with dot products. Block, idea: iq2_kt_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/iq2_kt_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_iq2_kt_dotprod;

ARM_GEMV(iq2_kt, dotprod)

const struct cn_kernels cn_iq2_kt_dotprod = { .gemv = iq2_kt_gemv_dotprod };

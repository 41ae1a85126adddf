/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL for Armv8.2 with dot products. Block, idea: iq2_kl_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/iq2_kl_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_iq2_kl_dotprod;

ARM_GEMV_HEADED(iq2_kl, dotprod, 2)

const struct cn_kernels cn_iq2_kl_dotprod = { .gemv = iq2_kl_gemv_dotprod };

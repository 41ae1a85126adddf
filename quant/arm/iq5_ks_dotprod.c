/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS for Armv8.2 with dot products. Block, idea: iq5_ks_arm.h; products: simd_dotprod.h. The
 * unpacker is neon's.
 *
 * Serves Cortex-A55 and A75 and later, Neoverse. Error: float rounding, once a group of 32 columns;
 * integer parts are exact.
 */
#include "quant/arm/iq5_ks_arm.h"
#include "quant/arm/simd_dotprod.h"

extern const struct cn_kernels cn_iq5_ks_dotprod;

ARM_GEMV_HEADED(iq5_ks, dotprod, 4)

const struct cn_kernels cn_iq5_ks_dotprod = { .gemv = iq5_ks_gemv_dotprod };

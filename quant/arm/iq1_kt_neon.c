/* SPDX-License-Identifier: MIT
 *
 * IQ1_KT for Armv8.0. Block, idea: iq1_kt_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq1_kt_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq1_kt_neon;

ARM_GEMV(iq1_kt, neon)
ARM_UNPACK(iq1_kt, neon)

const struct cn_kernels cn_iq1_kt_neon = {
    .gemv = iq1_kt_gemv_neon,
    .unpack = iq1_kt_unpack_neon,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32},
};

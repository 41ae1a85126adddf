/* SPDX-License-Identifier: MIT
 *
 * IQ4_KT for Armv8.0. Block, idea: iq4_kt_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq4_kt_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq4_kt_neon;

ARM_GEMV(iq4_kt, neon)
ARM_UNPACK(iq4_kt, neon)

const struct cn_kernels cn_iq4_kt_neon = {
    .gemv = iq4_kt_gemv_neon,
    .unpack = iq4_kt_unpack_neon,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32},
};

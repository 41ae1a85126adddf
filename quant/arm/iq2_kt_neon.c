/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT for Armv8.0. Block, idea: iq2_kt_arm.h; products: simd_neon.h.
 *
 * Serves every 64-bit Arm CPU. Error: float rounding, once a group of 32 columns; integer parts are
 * exact.
 */
#include "quant/arm/iq2_kt_arm.h"
#include "quant/arm/simd_neon.h"

extern const struct cn_kernels cn_iq2_kt_neon;

ARM_GEMV(iq2_kt, neon)
ARM_UNPACK(iq2_kt, neon)

const struct cn_kernels cn_iq2_kt_neon = {
    .gemv = iq2_kt_gemv_neon,
    .unpack = iq2_kt_unpack_neon,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32, .row_factor = 1.05f},
};

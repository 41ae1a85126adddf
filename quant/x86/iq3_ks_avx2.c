/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS for AVX2. Block, idea: iq3_ks_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/iq3_ks_avx2.h"

extern const struct cn_kernels cn_iq3_ks_avx2;

LEVEL_KERNELS(iq3_ks)

const struct cn_kernels cn_iq3_ks_avx2 = {
    .gemv = iq3_ks_gemv_avx2,
    .unpack = iq3_ks_unpack_avx2,
    .panel = {.code_max = 114, .offset = 63, .sub = 32},
};

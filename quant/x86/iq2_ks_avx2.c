/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS for AVX2. Block, idea: iq2_ks_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/iq2_ks_avx2.h"

extern const struct cn_kernels cn_iq2_ks_avx2;

LEVEL_KERNELS(iq2_ks)

const struct cn_kernels cn_iq2_ks_avx2 = {
    .gemv = iq2_ks_gemv_avx2,
    .unpack = iq2_ks_unpack_avx2,
    .panel = {.code_max = 53, .offset = 31, .sub = 32},
};

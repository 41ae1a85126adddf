/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS for AVX2. Block, idea: iq5_ks_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/iq5_ks_avx2.h"

extern const struct cn_kernels cn_iq5_ks_avx2;

LEVEL_KERNELS(iq5_ks)

const struct cn_kernels cn_iq5_ks_avx2 = {
    .gemv = iq5_ks_gemv_avx2,
    .unpack = iq5_ks_unpack_avx2,
    .panel = {.code_max = 249, .offset = 126, .sub = 32},
};

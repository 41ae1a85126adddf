/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL for AVX2. Block, idea: iq2_kl_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/iq2_kl_avx2.h"

extern const struct cn_kernels cn_iq2_kl_avx2;

LEVEL_KERNELS(iq2_kl)

const struct cn_kernels cn_iq2_kl_avx2 = {
    .gemv = iq2_kl_gemv_avx2,
    .unpack = iq2_kl_unpack_avx2,
    .panel = {.code_max = 110, .offset = 63, .sub = 32},
};

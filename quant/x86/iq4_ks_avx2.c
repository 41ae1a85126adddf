/* SPDX-License-Identifier: MIT
 *
 * IQ4_KS for AVX2. Block, idea: iq4_ks_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/iq4_ks_avx2.h"

extern const struct cn_kernels cn_iq4_ks_avx2;

LEVEL_KERNELS(iq4_ks)

const struct cn_kernels cn_iq4_ks_avx2 = {
    .gemv = iq4_ks_gemv_avx2,
    .unpack = iq4_ks_unpack_avx2,
    .panel = {.code_max = 244, .offset = 127, .sub = 32},
};

/* SPDX-License-Identifier: MIT
 *
 * IQ4_KSS for AVX2. Block, idea: iq4_kss_avx2.h.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, nine terms a block.
 */
#include "quant/x86/iq4_kss_avx2.h"

extern const struct cn_kernels cn_iq4_kss_avx2;

LEVEL_KERNELS(iq4_kss)

const struct cn_kernels cn_iq4_kss_avx2 = {
    .gemv = iq4_kss_gemv_avx2,
    .unpack = iq4_kss_unpack_avx2,
    .panel = {.code_max = 244, .offset = 127, .sub = 32},
};

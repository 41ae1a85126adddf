/* SPDX-License-Identifier: MIT
 *
 * IQ2_KS for AVX-VNNI. Block, idea: iq2_ks_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq2_ks_avx2.h"

extern const struct cn_kernels cn_iq2_ks_avxvnni;

LEVEL_GEMV(iq2_ks, avxvnni)

const struct cn_kernels cn_iq2_ks_avxvnni = { .gemv = iq2_ks_gemv_avxvnni };

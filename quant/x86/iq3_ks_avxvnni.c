/* SPDX-License-Identifier: MIT
 *
 * IQ3_KS for AVX-VNNI. Block, idea: iq3_ks_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq3_ks_avx2.h"

extern const struct cn_kernels cn_iq3_ks_avxvnni;

LEVEL_GEMV(iq3_ks, avxvnni)

const struct cn_kernels cn_iq3_ks_avxvnni = { .gemv = iq3_ks_gemv_avxvnni };

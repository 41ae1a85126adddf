/* SPDX-License-Identifier: MIT
 *
 * IQ5_KS for AVX-VNNI. Block, idea: iq5_ks_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq5_ks_avx2.h"

extern const struct cn_kernels cn_iq5_ks_avxvnni;

LEVEL_GEMV(iq5_ks, avxvnni)

const struct cn_kernels cn_iq5_ks_avxvnni = { .gemv = iq5_ks_gemv_avxvnni };

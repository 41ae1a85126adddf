/* SPDX-License-Identifier: MIT
 *
 * IQ2_KL for AVX-VNNI. Block, idea: iq2_kl_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq2_kl_avx2.h"

extern const struct cn_kernels cn_iq2_kl_avxvnni;

LEVEL_GEMV(iq2_kl, avxvnni)

const struct cn_kernels cn_iq2_kl_avxvnni = { .gemv = iq2_kl_gemv_avxvnni };

/* SPDX-License-Identifier: MIT
 *
 * TQ1_0 for AVX-VNNI. Block, idea: tq1_0_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/tq1_0_avx2.h"

extern const struct cn_kernels cn_tq1_0_avxvnni;

X86_GEMV(tq1_0, avxvnni)

const struct cn_kernels cn_tq1_0_avxvnni = { .gemv = tq1_0_gemv_avxvnni };

/* SPDX-License-Identifier: MIT
 *
 * Q4_0 for AVX-VNNI. Block, idea: q4_0_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, two terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q4_0_avx2.h"

extern const struct cn_kernels cn_q4_0_avxvnni;

X86_GEMV(q4_0, avxvnni)

const struct cn_kernels cn_q4_0_avxvnni = { .gemv = q4_0_gemv_avxvnni };

/* SPDX-License-Identifier: MIT
 *
 * Q4_K for AVX-VNNI. Block, idea: q4_k_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding of 8 group sums a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q4_k_avx2.h"

extern const struct cn_kernels cn_q4_k_avxvnni;

X86_GEMV(q4_k, avxvnni)

const struct cn_kernels cn_q4_k_avxvnni = { .gemv = q4_k_gemv_avxvnni };

/* SPDX-License-Identifier: MIT
 *
 * Q5_1 for AVX-VNNI. Block, idea: q5_1_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, two terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q5_1_avx2.h"

extern const struct cn_kernels cn_q5_1_avxvnni;

X86_GEMV(q5_1, avxvnni)

const struct cn_kernels cn_q5_1_avxvnni = { .gemv = q5_1_gemv_avxvnni };

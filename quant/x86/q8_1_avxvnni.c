/* SPDX-License-Identifier: MIT
 *
 * Q8_1 for AVX-VNNI. Block, idea: q8_1_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, one term a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q8_1_avx2.h"

extern const struct cn_kernels cn_q8_1_avxvnni;

X86_GEMV(q8_1, avxvnni)

const struct cn_kernels cn_q8_1_avxvnni = { .gemv = q8_1_gemv_avxvnni };

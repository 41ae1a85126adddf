/* SPDX-License-Identifier: MIT
 *
 * Q8_0 for AVX-VNNI. Block, idea: q8_0_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, one term a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q8_0_avx2.h"

extern const struct cn_kernels cn_q8_0_avxvnni;

X86_GEMV(q8_0, avxvnni)

const struct cn_kernels cn_q8_0_avxvnni = { .gemv = q8_0_gemv_avxvnni };

/* SPDX-License-Identifier: MIT
 *
 * Q8_K for AVX-VNNI. Block, idea: q8_k_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, eight terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q8_k_avx2.h"

extern const struct cn_kernels cn_q8_k_avxvnni;

X86_GEMV(q8_k, avxvnni)

const struct cn_kernels cn_q8_k_avxvnni = { .gemv = q8_k_gemv_avxvnni };

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

SMALL_FORMAT(q4_k, avxvnni, sizeof(struct cn_block_q4_k), 1, true, 8, 32, CN_SMALL_MIN)

const struct cn_kernels cn_q4_k_avxvnni = { .gemv = q4_k_gemv_avxvnni,
                                            .small = &q4_k_small_avxvnni };

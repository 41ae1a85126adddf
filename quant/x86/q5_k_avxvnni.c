/* SPDX-License-Identifier: MIT
 *
 * Q5_K for AVX-VNNI. Block, idea: q5_k_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, nine terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q5_k_avx2.h"

extern const struct cn_kernels cn_q5_k_avxvnni;

X86_GEMV(q5_k, avxvnni)

SMALL_FORMAT(q5_k, avxvnni, sizeof(struct cn_block_q5_k), 1, true, 8, 32, CN_SMALL_MIN)

const struct cn_kernels cn_q5_k_avxvnni = { .gemv = q5_k_gemv_avxvnni,
                                            .small = &q5_k_small_avxvnni };

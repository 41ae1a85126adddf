/* SPDX-License-Identifier: MIT
 *
 * Q6_K for AVX-VNNI: a few tokens. Block, idea: q6_k_avx2.h; products: simd_avxvnni.h. Else avx2's
 * serve.
 *
 * Serves Alder Lake and later. Error: float rounding of the group sums.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/q6_k_avx2.h"

extern const struct cn_kernels cn_q6_k_avxvnni;

SMALL_FORMAT(q6_k, avxvnni, sizeof(struct cn_block_q6_k), 2, false, 4, 16, CN_SMALL_SUMS)

const struct cn_kernels cn_q6_k_avxvnni = { .small = &q6_k_small_avxvnni };

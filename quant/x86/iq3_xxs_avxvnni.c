/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS for AVX-VNNI: a few tokens. Block, idea: iq3_xxs_avx2.h; products: simd_avxvnni.h. Else
 * avx2's serve.
 *
 * Serves Alder Lake and later. Error: float rounding of the group sums.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq3_xxs_avx2.h"

extern const struct cn_kernels cn_iq3_xxs_avxvnni;

SMALL_FORMAT(iq3_xxs, avxvnni, sizeof(struct cn_block_iq3_xxs), 1, false, 8, 32, CN_SMALL_SUMS)

const struct cn_kernels cn_iq3_xxs_avxvnni = { .small = &iq3_xxs_small_avxvnni };

/* SPDX-License-Identifier: MIT
 *
 * IQ4_NL for AVX-VNNI. Block, idea: iq4_nl_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, one terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq4_nl_avx2.h"

extern const struct cn_kernels cn_iq4_nl_avxvnni;

X86_GEMV(iq4_nl, avxvnni)

const struct cn_kernels cn_iq4_nl_avxvnni = { .gemv = iq4_nl_gemv_avxvnni };

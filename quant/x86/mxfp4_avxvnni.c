/* SPDX-License-Identifier: MIT
 *
 * MXFP4 for AVX-VNNI. Block, idea: mxfp4_avx2.h; products: simd_avxvnni.h. The unpacker is avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, two terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/mxfp4_avx2.h"

extern const struct cn_kernels cn_mxfp4_avxvnni;

X86_GEMV(mxfp4, avxvnni)

const struct cn_kernels cn_mxfp4_avxvnni = { .gemv = mxfp4_gemv_avxvnni };

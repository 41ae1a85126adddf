/* SPDX-License-Identifier: MIT
 *
 * IQ4_XS for AVX-VNNI. Block, idea: iq4_xs_avx2.h; products: simd_avxvnni.h. The unpacker is
 * avx2's.
 *
 * Serves Alder Lake and later. Error: float rounding, eight terms a block.
 */
#include "quant/x86/simd_avxvnni.h"

#include "quant/x86/iq4_xs_avx2.h"

extern const struct cn_kernels cn_iq4_xs_avxvnni;

X86_GEMV(iq4_xs, avxvnni)

const struct cn_kernels cn_iq4_xs_avxvnni = { .gemv = iq4_xs_gemv_avxvnni };

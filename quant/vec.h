/* SPDX-License-Identifier: MIT
 *
 * The tiers' shared objects (see struct cn_vec in quant.h, struct cn_gemm and struct cn_gemm_small
 * in gemm.h): a tier sets the slots it is better at; cn_vec_ref has them all.
 */
#ifndef CN_VEC_H
#define CN_VEC_H

#include "quant/quant.h"

extern const struct cn_vec cn_vec_ref, cn_vec_avx2, cn_vec_avx512, cn_vec_neon, cn_vec_dotprod,
    cn_vec_i8mm;
extern const struct cn_gemm cn_gemm_ref, cn_gemm_avx2, cn_gemm_avxvnni, cn_gemm_avx512, cn_gemm_amx,
    cn_gemm_neon, cn_gemm_dotprod, cn_gemm_i8mm;
extern const struct cn_gemm_small cn_gemm_small_avx2, cn_gemm_small_avxvnni, cn_gemm_small_neon,
    cn_gemm_small_dotprod, cn_gemm_small_i8mm;

#endif

/* SPDX-License-Identifier: MIT
 *
 * Loops that show what a tier's instructions can do at the most: the limits that kernels are
 * measured against. quant/<arch>/peak_<tier>.c, quant/ref/peak_ref.c.
 */
#ifndef CN_PEAK_H
#define CN_PEAK_H

#include "quant/quant.h"

/* A slot is NULL where the tier has nothing that a lower tier lacks. */
struct cn_peak {
    /* n_rounds rounds of independent 8-bit multiply-adds into 32 bits, all in registers, with the
     * instructions that this tier's GEMM is made of. Returns the operations done: a multiplication
     * and an addition count one each. */
    int64_t (*int8)(int64_t n_rounds);
    /* The same with 32-bit floats. */
    int64_t (*f32)(int64_t n_rounds);
    /* The same with pairs of bf16 into floats, where that is what precision exact multiplies. */
    int64_t (*bf16)(int64_t n_rounds);
    /* Reads n_bytes (a multiple of 1024) at p (64-byte aligned) as n_streams (1, 2 or 4) equal
     * parts side by side, asking for data `ahead` bytes before it is needed (0: leaves that to the
     * hardware; such a request may lie behind the end, where the CPU drops it). What it returns
     * depends on every byte, so that nothing is left out. */
    uint64_t (*read)(const void *p, size_t n_bytes, int n_streams, size_t ahead);
};

/* NULL if the tier is not built for this machine or has no such loops. */
const struct cn_peak *cn_peak_for(enum cn_tier tier);

extern const struct cn_peak cn_peak_ref, cn_peak_avx2, cn_peak_avxvnni, cn_peak_avx512, cn_peak_amx,
    cn_peak_neon, cn_peak_dotprod, cn_peak_i8mm;

#endif

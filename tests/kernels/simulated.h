/* SPDX-License-Identifier: MIT
 *
 * Kernels for machines that are not at hand, on a simulation of what this one lacks.
 */
#ifndef CN_SIMULATED_H
#define CN_SIMULATED_H

#include "quant/quant.h"

/* The amx GEMM on simulated tiles. NULL where the rest of it cannot run either. */
const struct cn_gemm *cn_simulated_amx(void);

#endif

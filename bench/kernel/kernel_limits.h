/* SPDX-License-Identifier: MIT
 *
 * How far a kernel is from what the machine allows: reading its weights from where they are, and
 * the multiplications of its tier. The slower of the two is the bound.
 */
#ifndef CN_KERNEL_LIMITS_H
#define CN_KERNEL_LIMITS_H

#include "bench/kernel/kernel_bench.h"

/* NaN where something is not known, or no part of the job. */
struct cn_kernel_bound {
    double read_gbps, gops; /* the limits: of reading; of the operations of this job, */
    const char *unit;       /* "int8", "f32", "bf16"; NULL: it multiplies nothing */
    double read_share, ops_share;
    const char *by; /* which of the two bounds it: "read", "int8", ...; NULL: not known */
    double share;   /* the speed by that limit */
};

struct cn_kernel_limits;

/* Limits of up to n_threads threads with the tiers of a mask. NULL if out of memory. */
struct cn_kernel_limits *cn_kernel_limits_create(uint32_t tiers, int n_threads);
void cn_kernel_limits_free(struct cn_kernel_limits *l);

/* What `rate` of the case with the kernels of `tier` is beside the limits, which are measured when
 * they are first asked for: a tenth of a second, more on a busy machine. */
void cn_kernel_bound(struct cn_kernel_limits *l, const struct cn_kernel_case *c, enum cn_tier tier,
                     const struct cn_kernel_rate *rate, struct cn_kernel_bound *bound);

/* The same from limits that are known. */
void cn_kernel_bound_of(double read_gbps, double gops, const char *unit,
                        const struct cn_kernel_rate *rate, struct cn_kernel_bound *bound);

#endif

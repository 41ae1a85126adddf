/* SPDX-License-Identifier: MIT
 *
 * Inside of carnot kernels: what its files share.
 */
#ifndef CN_CLI_KERNELS_H
#define CN_CLI_KERNELS_H

#include "base/table.h"
#include "bench/kernel/kernel_bench.h"
#include "bench/kernel/kernel_check.h"
#include "bench/kernel/kernel_energy.h"
#include "bench/kernel/kernel_limits.h"
#include "cli/lists.h"
#include "quant/quant.h"

#include <stdbool.h>
#include <stdint.h>

/* Vector operations are a job beside those of formats. */
enum { CN_KERNELS_VEC = CN_N_JOBS, CN_KERNELS_JOBS, CN_KERNELS_SHAPES = 64 };

/* rows 0: as many as there is room for. */
struct cn_kernels_shape {
    int64_t rows, cols;
};

struct cn_kernels_arguments {
    const char *formats, *tiers, *jobs, *shapes, *tokens, *threads, *caches, *cores, *save,
        *against, *meter, *root;
    bool check, bench, self_test, samples, no_ref, no_limits, force_meter;
    int64_t seed;
    double seconds, margin; /* seconds 0: not given; margin: percent */
    enum cn_table_format output;
    /* Read from the lists. */
    bool format[CN_N_TYPES], job[CN_KERNELS_JOBS], cache[CN_N_CACHES];
    uint32_t mask;
    struct cn_kernels_shape shape[CN_KERNELS_SHAPES];
    int n_shapes;
    int token[CN_MAX_COUNTS], n_tokens; /* n_tokens 0: each job's own */
    int thread[CN_MAX_COUNTS], n_threads, most_threads;
    bool yardstick; /* OpenBLAS is there, and beside what it stands is asked for */
};

/* What is known of one kernel; what is not is NULL. */
struct cn_kernels_row {
    const struct cn_kernel_case *c;
    const char *tier; /* "openblas" too */
    const struct cn_check *check;
    const struct cn_kernel_rate *rate;
    const struct cn_kernel_bound *bound;
    const struct cn_kernel_energy *energy;
    const struct cn_meter_info *meter;
    double to_openblas; /* NaN where that is no yardstick */
    size_t buffer_bytes;
    int64_t rows_there; /* of the matrix, for each thread */
};

/* The table of results, or of samples; NULL without memory. */
struct cn_table *cn_kernels_table(const struct cn_kernels_arguments *a);
void cn_kernels_put(struct cn_table *t, const struct cn_kernels_arguments *a,
                    const struct cn_kernels_row *row);
/* A vector operation that was checked. */
void cn_kernels_put_vec(struct cn_table *t, const char *tier, const char *slot,
                        const struct cn_check *check);

/* --against: has it measured, and prints. Returns the exit code. */
int cn_kernels_against(const struct cn_kernels_arguments *a);

#endif

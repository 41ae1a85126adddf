/* SPDX-License-Identifier: MIT
 *
 * How fast kernels are. Weights always come from memory, as when a model runs: each thread walks
 * through its part of a buffer several times as large as the last-level cache, so no weight is read
 * twice before it has left the caches. What a kernel reaches with weights in a cache is of no use
 * to anyone and not measured.
 *
 * Tiers take turns in short samples, so that a change of the machine's speed meets all alike; of
 * the samples the median counts. Rates are by CPU time of the threads: other programs on the
 * machine cost nothing but the caches they use.
 */
#ifndef CN_KERNEL_BENCH_H
#define CN_KERNEL_BENCH_H

#include "bench/kernel/kernel_check.h"

#include <stdbool.h>
#include <stddef.h>

struct cn_kernel_rate {
    double bytes_per_s;       /* of weights as they are in the file */
    double weights_per_s;     /* gemm: times tokens, i.e. multiply-adds per second */
    double spread;            /* half the distance of the quartiles, relative to the median */
    double ratio_to_ref;      /* median over the rounds, each against `ref` in the same round */
    double cycles_per_weight; /* NaN without a cycle counter */
    int n_samples;
};

/* How our float GEMM stands beside OpenBLAS's sgemm, of the same product. */
struct cn_yardstick {
    bool measured;
    struct cn_kernel_rate rate; /* OpenBLAS's */
    double ratio[CN_N_TIERS];   /* sets[i]'s speed by its, median over the rounds */
};

struct cn_kernel_bench;

/* Threads of one run, at most cn_available_cores(). NULL if out of memory. */
struct cn_kernel_bench *cn_kernel_bench_create(int n_threads);
void cn_kernel_bench_free(struct cn_kernel_bench *b);
/* Bytes of weights walked through. */
size_t cn_kernel_bench_bytes(const struct cn_kernel_bench *b);

/* Columns of every job, and tokens of the gemm. */
enum { CN_BENCH_COLS = 4096, CN_BENCH_TOKENS = 128 };

/* Times `job` with each set that has a kernel of its own for it (and sets[0], `ref`), in about
 * `seconds` per set; rates of the others are left alone. The GEMM of f32 has a yardstick where
 * OpenBLAS is there, which takes its turns with the tiers; yardstick may be NULL. False if out of
 * memory. */
bool cn_kernel_bench_run(struct cn_kernel_bench *b, const struct cn_format *format,
                         const struct cn_kernel_set *sets, int n_sets, enum cn_job job,
                         double seconds, struct cn_kernel_rate *rates,
                         struct cn_yardstick *yardstick);

/* The float GEMM of each tier beside OpenBLAS's sgemm: 10^9 multiplications and additions per
 * second of CPU time, of all threads together. NaN: not of the mask; not there. */
struct cn_float_gemm {
    double gflops[CN_N_TIERS];
    double openblas;
};

/* About `seconds` for each. False if out of memory. */
bool cn_float_gemm_measure(uint32_t tiers, int n_threads, double seconds,
                           struct cn_float_gemm *result);

#endif

/* SPDX-License-Identifier: MIT
 *
 * How fast kernels are: one job on weights of one shape, with some tokens, threads, and the weights
 * in memory or in a cache.
 *
 * From memory, as when a model runs, each thread walks through its part of a buffer several times
 * as large as the last-level cache, so that no weight is read twice before it has left the caches.
 * From a cache each thread walks round and round through weights that fill half of it: what the
 * instructions cost where memory does not matter. Rows adjoin as in a file.
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

/* Where weights are when a kernel wants them. Caches are numbered as their levels. */
enum cn_bench_cache { CN_CACHE_MEMORY, CN_CACHE_L1, CN_CACHE_L2, CN_CACHE_L3, CN_N_CACHES };
const char *cn_bench_cache_name(int cache); /* "memory", "l1" */

/* Columns, and tokens of gemm and gemm_small, where nothing else is asked for; the most tokens of a
 * gemv, which takes them one after the other. */
enum {
    CN_BENCH_COLS = 4096,
    CN_BENCH_TOKENS = 128,
    CN_BENCH_SMALL_TOKENS = 8,
    CN_BENCH_GEMV_TOKENS = 16,
};

struct cn_kernel_case {
    const struct cn_format *format;
    enum cn_job job;
    int64_t rows; /* of the matrix; 0: as many as there is room for */
    int64_t cols; /* divisible by the format's block */
    int n_tokens; /* 1 for jobs that know of none */
    int n_threads;
    enum cn_bench_cache cache;
};

/* Whether the job's work depends on the tokens, and can be done with so many. */
bool cn_job_takes_tokens(enum cn_job job, int n_tokens);

enum { CN_BENCH_ROUNDS = 15 };

struct cn_kernel_rate {
    double bytes_per_s;   /* of weights as they are in the file */
    double weights_per_s; /* gemv, gemm: times tokens, i.e. multiply-adds per second */
    double high_per_s;    /* weights_per_s that a tenth of the rounds passes: others on the machine
                             only ever make it slower, so this is the steadier figure */
    double spread;        /* half the distance of the quartiles, relative to the median */
    double ratio_to_ref;  /* median over the rounds, each against `ref` in the same round; NaN
                             where that was left out */
    double cycles_per_weight; /* of a core; NaN without a counter: see bench/machine/cycles.h */
    int n_samples;
    double sample[CN_BENCH_ROUNDS]; /* [n_samples] weights_per_s of each round */
};

/* How our float GEMM stands beside OpenBLAS's sgemm, of the same product. */
struct cn_yardstick {
    bool measured;
    struct cn_kernel_rate rate; /* OpenBLAS's */
    double ratio[CN_N_TIERS];   /* sets[i]'s speed by its, median over the rounds */
};

struct cn_kernel_bench;

/* Runs on up to n_threads threads, at most cn_available_cores(). NULL if out of memory. */
struct cn_kernel_bench *cn_kernel_bench_create(int n_threads);
void cn_kernel_bench_free(struct cn_kernel_bench *b);

/* Makes weights and activations ready for a case. False if out of memory. */
bool cn_kernel_bench_set(struct cn_kernel_bench *b, const struct cn_kernel_case *c);
/* Of the case that was set: bytes of weights walked through, and rows of a matrix that this is for
 * each thread. */
size_t cn_kernel_bench_bytes(const struct cn_kernel_bench *b);
int64_t cn_kernel_bench_rows(const struct cn_kernel_bench *b);

/* Times the case that was set with each set that has a kernel of its own for it, in about `seconds`
 * per set; rates of the others are left alone. with_ref: and sets[0], `ref`, whatever it has. The
 * GEMM of f32 has a yardstick where OpenBLAS is there, which takes its turns with the tiers;
 * yardstick may be NULL. */
void cn_kernel_bench_run(struct cn_kernel_bench *b, const struct cn_kernel_set *sets, int n_sets,
                         bool with_ref, double seconds, struct cn_kernel_rate *rates,
                         struct cn_yardstick *yardstick);

/* Work without a pause with one set for so long, for a meter. */
struct cn_kernel_load {
    double weights; /* done; times tokens */
    double cpu_s;   /* of the threads that did it */
};
void cn_kernel_bench_load(struct cn_kernel_bench *b, const struct cn_kernel_set *set,
                          double seconds, struct cn_kernel_load *load);

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

/* SPDX-License-Identifier: MIT
 *
 * What a machine can do: the limits that every measured figure stands beside.
 *
 * A limit is the median of many short samples of the fastest way, by the clock on the wall: what
 * can be had for as long as a model runs. (The best sample would be a moment in which a shared
 * machine was idle.) On a busy machine samples go on, up to a few times as long, until some of them
 * had the cores to themselves, and only those count.
 */
#ifndef CN_MACHINE_PROBE_H
#define CN_MACHINE_PROBE_H

#include "quant/quant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what it is ------------------------------------------------------------------------------ */

/* Unknown numbers are 0, unknown texts "". */
struct cn_machine_info {
    char cpu[128];       /* "AMD EPYC 9B45" */
    char caches[128];    /* of the first CPU: "L1d 48 KiB, L2 1 MiB, L3 32 MiB" */
    char frequency[128]; /* CPUs by highest frequency: "4 x 1.80 GHz, 4 x 2.40 GHz" */
    char governor[32];   /* of the first CPU */
    int n_cpus;          /* online */
    int n_usable;        /* that this process may run on */
    int n_cores, n_sockets, threads_per_core;
    uint64_t memory_bytes;
    uint64_t last_cache_bytes;
};
void cn_machine_describe(struct cn_machine_info *info);

/* ---- what it can do -------------------------------------------------------------------------- */

/* NaN where a tier has no way to measure it. */
struct cn_machine_rates {
    double read_gbps;  /* 10^9 bytes per second read from memory */
    double int8_gops;  /* 10^9 multiplications and additions of 8-bit integers per second */
    double f32_gflops; /* of floats */
    double bf16_gops;  /* of bf16, where precision exact multiplies those (amx) */
    char read_how[48]; /* the access pattern that read best: "2 streams, prefetch 2048" */
};

struct cn_machine_probe;

/* A buffer of about n_bytes to read from (less if memory is short) and up to n_threads threads.
 * NULL if out of memory. */
struct cn_machine_probe *cn_machine_probe_create(size_t n_bytes, int n_threads);
void cn_machine_probe_free(struct cn_machine_probe *p);
size_t cn_machine_probe_bytes(const struct cn_machine_probe *p);

/* From here on each thread reads its first n_bytes (1 KiB at least) again and again, which then
 * stay in a cache that holds them; 0, as at first: the whole buffer. */
void cn_machine_probe_span(struct cn_machine_probe *p, size_t n_bytes);

/* From here on runs measure these only, as a mask, and say NaN of the rest; 0, as at first: all. */
enum { CN_RATE_READ = 1, CN_RATE_INT8 = 2, CN_RATE_F32 = 4, CN_RATE_BF16 = 8 };
void cn_machine_probe_only(struct cn_machine_probe *p, unsigned rates);

/* Runs end early, with rates of what there is, once this says true; NULL, as at first: never. */
void cn_machine_probe_cancel(struct cn_machine_probe *p, bool (*cancel)(void));

/* Rates of n_threads threads (<= those of create) with the instructions of this tier (what it lacks
 * is taken from the tiers of `tiers` below it, int8_gops and bf16_gops excepted) in about
 * `seconds`. */
void cn_machine_probe_run(struct cn_machine_probe *p, uint32_t tiers, enum cn_tier tier,
                          int n_threads, double seconds, struct cn_machine_rates *rates);

/* All of it in about a second, for those who print shares: int8 and f32 of the highest tier of the
 * mask, reading by the best of its two highest. False if out of memory. */
bool cn_machine_measure(uint32_t tiers, int n_threads, struct cn_machine_rates *rates);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What measuring loops share: rates on several threads, large buffers, sizes of the machine.
 */
#ifndef CN_PROBE_H
#define CN_PROBE_H

#include "base/threads.h"

#include <stddef.h>
#include <stdint.h>

/* Does a piece of work (20 microseconds or more, so that asking for the time does not matter) and
 * returns how much it was, in the caller's unit. */
typedef double cn_step_fn(void *context, int thread);

struct cn_rate {
    double wall;   /* units per second: sum over threads of work by elapsed time */
    double cpu;    /* the same by CPU time of each thread: not lowered by other programs */
    double busy;   /* least share of the time that a thread had its core to itself */
    double cycles; /* core cycles per unit, from the CPU's own counter; NaN if there is none */
};

/* Runs `step` over and over on n_threads threads of the pool at once, for about `seconds`. */
struct cn_rate cn_rate_measure(struct cn_pool *pool, int n_threads, cn_step_fn *step, void *context,
                               double seconds);

/* n_bytes of zeros, 2 MiB aligned, on huge pages where the system gives them. NULL if out of
 * memory. */
void *cn_big_alloc(size_t n_bytes);
void cn_big_free(void *p, size_t n_bytes);

/* Bytes of the largest cache of the first CPU, 0 if unknown; of its data cache of a level (1 to 3);
 * of the memory that can be had. */
size_t cn_last_cache_bytes(void);
size_t cn_cache_bytes(int level);
size_t cn_available_memory_bytes(void);

/* What share of the memory that this process has mapped from files of at least n_bytes lies in huge
 * pages, of what is resident. NaN if there is none, or the kernel does not tell. */
double cn_huge_page_share(size_t n_bytes);

#endif

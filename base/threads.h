/* SPDX-License-Identifier: MIT
 *
 * A small thread pool: one caller, a fixed set of workers, one job at a time. Every thread begins
 * with an equal run of the job's chunks; one that is done helps the others (cores may be unequal).
 */
#ifndef CN_THREADS_H
#define CN_THREADS_H

#include <pthread.h>
#include <stdbool.h>

struct cn_pool;

/* Cores that this process may use, at least 1: of its affinity mask, as many as control groups give
 * it the time of. */
int cn_available_cores(void);
/* Cores whose time control groups give this process (cgroup v2, cpu.max of its group and of those
 * above), rounded up, at least 1; INT_MAX without a limit. root: of the file system, "" for /. */
int cn_quota_cores(const char *root);

/* pthread_create with a stack of a megabyte, whatever the limits of the system say. 0, or what
 * errno would be. */
int cn_thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

/* A pool of n_threads (>= 1) including the caller. sleep: waiting workers sleep at once; otherwise
 * they spin a while first, which answers faster and costs energy. NULL with errno if the threads
 * cannot be made (EAGAIN: the system has no more of them). */
struct cn_pool *cn_pool_create(int n_threads, bool sleep);
/* NULL is allowed. No job may be running. */
void cn_pool_free(struct cn_pool *pool);
int cn_pool_n_threads(const struct cn_pool *pool);

/* A chunk of a job: 0 <= chunk < n_chunks; thread: 0 (the caller) .. n_threads - 1. */
typedef void cn_chunk_fn(void *context, int chunk, int thread);

/* Runs fn for every chunk on at most n_threads threads; returns when all are done. What the caller
 * wrote before is seen by the chunks, and what they wrote by the caller afterwards. */
void cn_pool_run(struct cn_pool *pool, int n_threads, cn_chunk_fn *fn, void *context, int n_chunks);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Every thread has a range of neighbouring chunks, which it takes from the front: so it reads on
 * where it was, and what was prefetched is its own. One that is done takes from the back of the
 * others' ranges, so that none waits for a slow one for longer than a chunk takes.
 *
 * A job is open from its announcement until the caller has found its chunks all taken. Workers
 * enter an open job and leave it; the caller waits for those inside only, so a worker that sleeps
 * or was preempted outside holds nobody up.
 */
#include "engine/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* About 50 microseconds: longer than the gap between two matrix products, far shorter than a
 * sampling step would justify. */
enum { SPINS = 20000, CACHE_LINE = 64 };

struct worker {
    struct cn_pool *pool;
    pthread_t thread;
    int index;
};

/* Chunks not taken yet: the first in the low, the end in the high 32 bits. */
struct range {
    _Alignas(CACHE_LINE) atomic_ullong chunks;
};

struct cn_pool {
    int n_threads, n_workers_started;
    int spins;
    struct worker *workers;
    struct range *ranges; /* of each thread */
    /* The job: written by the caller while it is closed and nobody is inside. */
    cn_chunk_fn *fn;
    void *context;
    int n_active;
    bool stop;
    _Alignas(CACHE_LINE) atomic_ullong state; /* open, generation, workers inside: see below */
    _Alignas(CACHE_LINE) atomic_int sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

#define OPEN            (1ull << 63)
#define GENERATION      (1ull << 32) /* unit of the generation's 31 bits */
#define INSIDE          (GENERATION - 1)
#define GENERATION_BITS (OPEN - GENERATION)

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int cn_available_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n;
}

static unsigned long long chunks(int first, int end)
{
    return (unsigned long long)end << 32 | (unsigned)first;
}

/* The first or last chunk of a range; -1 if it is empty. */
static int take(struct range *range, bool last)
{
    unsigned long long now = atomic_load_explicit(&range->chunks, memory_order_relaxed);
    for (;;) {
        const int first = (int)(uint32_t)now, end = (int)(now >> 32);
        if (first >= end)
            return -1;
        if (atomic_compare_exchange_weak_explicit(
                &range->chunks, &now, last ? chunks(first, end - 1) : chunks(first + 1, end),
                memory_order_relaxed, memory_order_relaxed))
            return last ? end - 1 : first;
    }
}

static void work(struct cn_pool *pool, int thread)
{
    /* Ranges never grow: one round finds all. */
    for (int i = 0; i < pool->n_active; i++) {
        struct range *range = &pool->ranges[(thread + i) % pool->n_active];
        int chunk;
        while ((chunk = take(range, i > 0)) >= 0)
            pool->fn(pool->context, chunk, thread);
    }
}

static bool is_news(unsigned long long state, unsigned long long seen)
{
    return (state & OPEN) && (state & GENERATION_BITS) != seen;
}

/* Waits for an open job of another generation than `seen`; returns the state it saw. */
static unsigned long long await(struct cn_pool *pool, unsigned long long seen)
{
    unsigned long long now;
    for (int i = 0; i < pool->spins; i++) {
        now = atomic_load_explicit(&pool->state, memory_order_acquire);
        if (is_news(now, seen))
            return now;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleepers, 1);
    while (!is_news(now = atomic_load(&pool->state), seen))
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->mutex);
    return now;
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct cn_pool *pool = worker->pool;
    unsigned long long seen = 0;
    for (;;) {
        unsigned long long now = await(pool, seen);
        /* Enter, unless it was closed in the meantime. */
        if (!atomic_compare_exchange_weak(&pool->state, &now, now + 1))
            continue;
        seen = now & GENERATION_BITS;
        bool stop = pool->stop;
        if (!stop && worker->index < pool->n_active)
            work(pool, worker->index);
        atomic_fetch_sub_explicit(&pool->state, 1, memory_order_release);
        if (stop)
            return NULL;
    }
}

static void open_job(struct cn_pool *pool)
{
    unsigned long long next = (atomic_load(&pool->state) + GENERATION) & GENERATION_BITS;
    atomic_store(&pool->state, OPEN | next);
    /* Sequentially consistent on both sides: either the sleeper sees the new state under the mutex,
     * or it is counted here and woken. */
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void close_job(struct cn_pool *pool)
{
    unsigned long long state = atomic_fetch_and(&pool->state, ~OPEN);
    for (int spins = 0; state & INSIDE; spins++) {
        if (spins < SPINS)
            relax();
        else
            sched_yield();
        state = atomic_load_explicit(&pool->state, memory_order_acquire);
    }
}

struct cn_pool *cn_pool_create(int n_threads, bool sleep)
{
    struct cn_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    if (!pool)
        return NULL;
    *pool = (struct cn_pool){ .n_threads = n_threads };
    /* More threads than cores: whoever spins keeps another from working. */
    pool->spins = sleep || n_threads > cn_available_cores() ? 0 : SPINS;
    pool->workers = calloc((size_t)n_threads, sizeof *pool->workers);
    pool->ranges = aligned_alloc(CACHE_LINE, (size_t)n_threads * sizeof *pool->ranges);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    if (!pool->workers || !pool->ranges)
        goto fail;
    for (int i = 1; i < n_threads; i++) {
        pool->workers[i] = (struct worker){ .pool = pool, .index = i };
        if (pthread_create(&pool->workers[i].thread, NULL, worker_main, &pool->workers[i]) != 0)
            goto fail;
        pool->n_workers_started++;
    }
    return pool;
fail:
    cn_pool_free(pool);
    return NULL;
}

void cn_pool_free(struct cn_pool *pool)
{
    if (!pool)
        return;
    pool->stop = true;
    open_job(pool); /* stays open: every worker passes through it */
    for (int i = 1; i <= pool->n_workers_started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool->ranges);
    free(pool);
}

int cn_pool_n_threads(const struct cn_pool *pool)
{
    return pool->n_threads;
}

void cn_pool_run(struct cn_pool *pool, int n_threads, cn_chunk_fn *fn, void *context, int n_chunks)
{
    if (n_threads <= 1 || pool->n_threads == 1 || n_chunks <= 1) {
        for (int i = 0; i < n_chunks; i++)
            fn(context, i, 0);
        return;
    }
    pool->fn = fn;
    pool->context = context;
    n_threads = n_threads < pool->n_threads ? n_threads : pool->n_threads;
    pool->n_active = n_threads;
    for (int i = 0; i < n_threads; i++)
        atomic_store_explicit(&pool->ranges[i].chunks,
                              chunks((int)((int64_t)n_chunks * i / n_threads),
                                     (int)((int64_t)n_chunks * (i + 1) / n_threads)),
                              memory_order_relaxed);
    open_job(pool);
    work(pool, 0);
    close_job(pool);
}

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
#include "base/threads.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Longer than the gap between two matrix products; a core that waits for longer sleeps. Measured by
 * the clock, once in SPINS: a pause takes 1 to 50 ns, depending on the CPU. */
enum { SPIN_NS = 100000, SPINS = 32, CACHE_LINE = 64, MAX_ACTIVE = 0xffff };

struct worker {
    _Alignas(CACHE_LINE) struct cn_pool *pool;
    pthread_t thread;
    int index;
    atomic_bool asleep;
    pthread_cond_t wake;
};

/* Chunks not taken yet: the first in the low, the end in the high 32 bits. */
struct range {
    _Alignas(CACHE_LINE) atomic_ullong chunks;
};

struct cn_pool {
    int n_threads, n_workers_started;
    bool spin;
    struct worker *workers;
    struct range *ranges; /* of each thread */
    /* The job: written by the caller while it is closed and nobody is inside. */
    cn_chunk_fn *fn;
    void *context;
    int n_active;
    _Alignas(CACHE_LINE) atomic_ullong state; /* see below */
    pthread_mutex_t mutex;
};

/* From the highest bit: open; the job's generation (31 bits); threads that it is for (16), all of
 * MAX_ACTIVE: to stop; workers inside (16). */
#define OPEN            (1ull << 63)
#define GENERATION      (1ull << 32)
#define GENERATION_BITS (OPEN - GENERATION)
#define ACTIVE          (1ull << 16)
#define INSIDE          (ACTIVE - 1)

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int cn_quota_cores(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX], group[PATH_MAX] = "";
    long long quota, period, least = INT_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "0::/", 4) == 0)
            snprintf(group, sizeof group, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
    if (f)
        fclose(f);
    for (char *end = group + strlen(group);; end = strrchr(group, '/')) {
        if (!end)
            return (int)least;
        *end = 0;
        const int n = snprintf(path, sizeof path, "%s/sys/fs/cgroup%s/cpu.max", root, group);
        f = n < (int)sizeof path ? fopen(path, "r") : NULL;
        if (f && fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
            const long long cores = quota / period + (quota % period > 0);
            least = cores < least ? cores : least;
        }
        if (f)
            fclose(f);
    }
}

int cn_available_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int n = CPU_COUNT(&set), quota = cn_quota_cores("");
    return n < 1 ? 1 : n < quota ? n : quota;
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

static int active(unsigned long long state)
{
    return (int)(state / ACTIVE & MAX_ACTIVE);
}

/* Whether an open job waits for this thread, which has done that of generation `seen`. */
static bool is_news(unsigned long long state, unsigned long long seen, int thread)
{
    return (state & OPEN) && thread < active(state) &&
           ((state & GENERATION_BITS) != seen || active(state) == MAX_ACTIVE);
}

/* Waits for news; returns the state it saw. */
static unsigned long long await(struct worker *w, unsigned long long seen)
{
    struct cn_pool *pool = w->pool;
    unsigned long long now;
    for (int64_t start = cn_now_ns(CLOCK_MONOTONIC);
         pool->spin && cn_now_ns(CLOCK_MONOTONIC) - start < SPIN_NS;)
        for (int i = 0; i < SPINS; i++) {
            now = atomic_load_explicit(&pool->state, memory_order_acquire);
            if (is_news(now, seen, w->index))
                return now;
            relax();
        }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&w->asleep, true);
    while (!is_news(now = atomic_load(&pool->state), seen, w->index))
        pthread_cond_wait(&w->wake, &pool->mutex);
    atomic_store(&w->asleep, false);
    pthread_mutex_unlock(&pool->mutex);
    return now;
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct cn_pool *pool = worker->pool;
    unsigned long long seen = 0;
    for (;;) {
        unsigned long long now = await(worker, seen);
        if (active(now) == MAX_ACTIVE)
            return NULL;
        /* Enter, unless it was closed in the meantime. */
        if (!atomic_compare_exchange_weak(&pool->state, &now, now + 1))
            continue;
        seen = now & GENERATION_BITS;
        work(pool, worker->index);
        atomic_fetch_sub_explicit(&pool->state, 1, memory_order_release);
    }
}

static void open_job(struct cn_pool *pool, int n_active)
{
    unsigned long long next = (atomic_load(&pool->state) + GENERATION) & GENERATION_BITS;
    bool locked = false;
    atomic_store(&pool->state, OPEN | next | (unsigned long long)n_active * ACTIVE);
    /* Sequentially consistent on both sides: either a sleeper sees the new state under the mutex,
     * or it is seen asleep here and woken. Those that the job is not for sleep on. */
    for (int i = 1; i <= pool->n_workers_started && i < n_active; i++)
        if (atomic_load(&pool->workers[i].asleep)) {
            if (!locked)
                pthread_mutex_lock(&pool->mutex);
            locked = true;
            pthread_cond_signal(&pool->workers[i].wake);
        }
    if (locked)
        pthread_mutex_unlock(&pool->mutex);
}

static void close_job(struct cn_pool *pool)
{
    unsigned long long state = atomic_fetch_and(&pool->state, ~OPEN);
    bool yield = false;
    for (int64_t start = cn_now_ns(CLOCK_MONOTONIC); state & INSIDE;
         yield = yield || cn_now_ns(CLOCK_MONOTONIC) - start > SPIN_NS)
        for (int i = 0; i < SPINS && (state & INSIDE); i++) {
            if (yield)
                sched_yield();
            else
                relax();
            state = atomic_load_explicit(&pool->state, memory_order_acquire);
        }
}

int cn_thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    /* No function of this program has a frame above 64 KiB; what the system's libraries need comes
     * on top, and what a signal saves of the largest registers. */
    enum { STACK_BYTES = 1 << 20 };
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error)
        return error;
    error = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (!error)
        error = pthread_create(thread, &attr, run, argument);
    pthread_attr_destroy(&attr);
    return error;
}

struct cn_pool *cn_pool_create(int n_threads, bool sleep)
{
    struct cn_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    int reason = ENOMEM;
    if (!pool)
        return NULL;
    *pool = (struct cn_pool){ .n_threads = n_threads };
    /* More threads than cores: whoever spins keeps another from working. */
    pool->spin = !sleep && n_threads <= cn_available_cores();
    pool->workers = aligned_alloc(CACHE_LINE, (size_t)n_threads * sizeof *pool->workers);
    pool->ranges = aligned_alloc(CACHE_LINE, (size_t)n_threads * sizeof *pool->ranges);
    pthread_mutex_init(&pool->mutex, NULL);
    if (!pool->workers || !pool->ranges)
        goto fail;
    for (int i = 1; i < n_threads; i++) {
        struct worker *w = &pool->workers[i];
        *w = (struct worker){ .pool = pool, .index = i };
        pthread_cond_init(&w->wake, NULL);
        const int error = cn_thread_start(&w->thread, worker_main, w);
        if (error) {
            pthread_cond_destroy(&w->wake);
            reason = error;
            goto fail;
        }
        pool->n_workers_started++;
    }
    return pool;
fail:
    cn_pool_free(pool);
    errno = reason;
    return NULL;
}

void cn_pool_free(struct cn_pool *pool)
{
    if (!pool)
        return;
    open_job(pool, MAX_ACTIVE); /* stays open: every worker sees it */
    for (int i = 1; i <= pool->n_workers_started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
        pthread_cond_destroy(&pool->workers[i].wake);
    }
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
    open_job(pool, n_threads);
    work(pool, 0);
    close_job(pool);
}

/* SPDX-License-Identifier: MIT */
#include "bench/machine/probe.h"

#include "base/clock.h"
#include "base/layout.h"

#include <linux/perf_event.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- time ------------------------------------------------------------------------------------ */

/* A counter of the calling thread's core cycles in user space; -1 if there is none (virtual
 * machines, perf_event_paranoid). */
static int open_cycles(void)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
                                    .size = sizeof attr,
                                    .config = PERF_COUNT_HW_CPU_CYCLES,
                                    .exclude_kernel = 1,
                                    .exclude_hv = 1 };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static double read_cycles(int fd)
{
    uint64_t n;
    return fd >= 0 && read(fd, &n, sizeof n) == sizeof n ? (double)n : (double)NAN;
}

struct rate_job {
    cn_step_fn *step;
    void *context;
    double seconds;
    int n_threads;
    atomic_int waiting;
    struct cn_rate *rate; /* one per thread */
};

static void rate_chunk(void *arg, int chunk, int thread)
{
    struct rate_job *job = arg;
    int cycles_fd = open_cycles();
    /* All threads at once. A thread that is here has one chunk, so each of them gets one. */
    atomic_fetch_add(&job->waiting, 1);
    while (atomic_load(&job->waiting) < job->n_threads)
        sched_yield();
    double work = 0, cycles = read_cycles(cycles_fd);
    double cpu = cn_now_s(CLOCK_THREAD_CPUTIME_ID), start = cn_seconds(), now;
    do {
        work += job->step(job->context, thread);
        now = cn_seconds();
    } while (now - start < job->seconds);
    cpu = cn_now_s(CLOCK_THREAD_CPUTIME_ID) - cpu;
    cycles = read_cycles(cycles_fd) - cycles;
    if (cycles_fd >= 0)
        close(cycles_fd);
    job->rate[chunk] = (struct cn_rate){ .wall = work / (now - start),
                                         .cpu = work / fmax(cpu, 1e-9),
                                         .busy = cpu / (now - start),
                                         .cycles = cycles / work };
}

struct cn_rate cn_rate_measure(struct cn_pool *pool, int n_threads, cn_step_fn *step, void *context,
                               double seconds)
{
    enum { MAX = 1024 };
    struct cn_rate rates[MAX], sum = { .busy = 1 };
    n_threads = n_threads < MAX ? n_threads : MAX;
    struct rate_job job = {
        .step = step, .context = context, .seconds = seconds, .n_threads = n_threads, .rate = rates
    };
    atomic_init(&job.waiting, 0);
    cn_pool_run(pool, n_threads, rate_chunk, &job, n_threads);
    for (int i = 0; i < n_threads; i++) {
        sum.wall += rates[i].wall;
        sum.cpu += rates[i].cpu;
        sum.busy = fmin(sum.busy, rates[i].busy);
        sum.cycles += rates[i].cycles / n_threads;
    }
    return sum;
}

/* ---- memory ---------------------------------------------------------------------------------- */

enum { HUGE_PAGE = 2 * 1024 * 1024 };

void *cn_big_alloc(size_t n_bytes)
{
    const size_t n = cn_round_up(n_bytes, HUGE_PAGE);
    if (n < n_bytes || n + HUGE_PAGE < n)
        return NULL;
    uint8_t *map =
        mmap(NULL, n + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)map % HUGE_PAGE) % HUGE_PAGE;
    if (before)
        munmap(map, before);
    munmap(map + before + n, HUGE_PAGE - before);
    /* Refused without harm where there are no huge pages. */
    madvise(map + before, n, MADV_HUGEPAGE);
    return map + before;
}

void cn_big_free(void *p, size_t n_bytes)
{
    if (p)
        munmap(p, cn_round_up(n_bytes, HUGE_PAGE));
}

/* A line of a cache of the first CPU; false if there is none. */
static bool read_cache(int index, const char *what, char *line, size_t n)
{
    char path[80];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
    FILE *f = fopen(path, "r");
    const bool found = f && fgets(line, (int)n, f);
    if (f)
        fclose(f);
    return found;
}

/* The largest cache for data, of this level or (0) any. */
static size_t largest_cache(int wanted)
{
    size_t largest = 0;
    char line[32];
    for (int i = 0; i < 8 && read_cache(i, "size", line, sizeof line); i++) {
        const size_t bytes = (size_t)strtoul(line, NULL, 10) * 1024;
        const bool of_level =
            wanted == 0 || (read_cache(i, "level", line, sizeof line) && atoi(line) == wanted &&
                            read_cache(i, "type", line, sizeof line) && line[0] != 'I');
        if (of_level && bytes > largest)
            largest = bytes;
    }
    return largest;
}

size_t cn_last_cache_bytes(void)
{
    return largest_cache(0);
}

size_t cn_cache_bytes(int level)
{
    return largest_cache(level);
}

size_t cn_available_memory_bytes(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return (size_t)(kib * 1024);
}

double cn_huge_page_share(size_t n_bytes)
{
    double resident = 0, huge = 0;
    bool counts = false, told = false;
    char line[512];
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long long from, to, inode, kib;
        if (sscanf(line, "%llx-%llx %*s %*s %*s %llu", &from, &to, &inode) == 3) {
            counts = inode && to - from >= n_bytes;
        } else if (counts && sscanf(line, "Rss: %llu", &kib) == 1) {
            resident += (double)kib;
        } else if (counts && sscanf(line, "FilePmdMapped: %llu", &kib) == 1) {
            huge += (double)kib;
            told = true;
        }
    }
    if (f)
        fclose(f);
    return told && resident > 0 ? huge / resident : (double)NAN;
}

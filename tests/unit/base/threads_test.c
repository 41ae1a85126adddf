/* SPDX-License-Identifier: MIT */
#include "base/threads.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

enum { MAX_CHUNKS = 1000, MAX_THREADS = 8 };

struct job {
    int runs[MAX_CHUNKS]; /* plain: each belongs to one chunk, and the pool orders the rest */
    int n_threads;        /* allowed in this job */
    int seed;
    int result[MAX_CHUNKS];
    atomic_int bad_thread, inside[MAX_THREADS], overlap;
};

static void chunk(void *context, int i, int thread)
{
    struct job *job = context;
    if (thread < 0 || thread >= job->n_threads)
        atomic_fetch_add(&job->bad_thread, 1);
    else if (atomic_fetch_add(&job->inside[thread], 1) != 0)
        atomic_fetch_add(&job->overlap, 1); /* two threads of one number: scratch would clash */
    job->runs[i]++;
    job->result[i] = job->seed + i;
    if (thread >= 0 && thread < job->n_threads)
        atomic_fetch_sub(&job->inside[thread], 1);
}

static void check_job(struct cn_pool *pool, int n_threads, int n_chunks, int seed)
{
    static struct job job;
    memset(&job, 0, sizeof job);
    int most = n_threads < cn_pool_n_threads(pool) ? n_threads : cn_pool_n_threads(pool);
    job.n_threads = most;
    job.seed = seed;
    cn_pool_run(pool, n_threads, chunk, &job, n_chunks);
    assert_int_equal(atomic_load(&job.bad_thread), 0);
    assert_int_equal(atomic_load(&job.overlap), 0);
    for (int i = 0; i < MAX_CHUNKS; i++)
        if (job.runs[i] != (i < n_chunks) || (i < n_chunks && job.result[i] != seed + i))
            fail_msg("%d threads of %d, %d chunks: chunk %d ran %d times", n_threads,
                     cn_pool_n_threads(pool), n_chunks, i, job.runs[i]);
}

/* Every chunk exactly once, for more threads than there are cores too. */
static void every_chunk_once(void **state)
{
    static const int n_chunks[] = { 0, 1, 2, 3, 7, 8, 9, 100, MAX_CHUNKS };
    (void)state;
    for (int sleep = 0; sleep < 2; sleep++)
        for (int n_threads = 1; n_threads <= MAX_THREADS; n_threads++) {
            struct cn_pool *pool = cn_pool_create(n_threads, sleep);
            assert_non_null(pool);
            assert_int_equal(cn_pool_n_threads(pool), n_threads);
            for (size_t i = 0; i < sizeof n_chunks / sizeof *n_chunks; i++)
                for (int active = 1; active <= n_threads + 1; active++)
                    check_job(pool, active, n_chunks[i], active * 1000);
            cn_pool_free(pool);
        }
}

static void count(void *context, int i, int thread)
{
    int *runs = context;
    (void)thread;
    runs[i]++;
}

/* Tiny jobs one after the other: a lost wake-up or a worker that strays into the next job hangs
 * (the alarm ends the test) or miscounts. */
static void tiny_jobs(int n_threads, bool sleep, int n_jobs)
{
    struct cn_pool *pool = cn_pool_create(n_threads, sleep);
    int runs[5] = { 0 }, expected[5] = { 0 };
    assert_non_null(pool);
    for (int j = 0; j < n_jobs; j++) {
        int n = 2 + j % 4;
        cn_pool_run(pool, j % 7 ? n_threads : 2, count, runs, n);
        for (int i = 0; i < n; i++)
            expected[i]++;
    }
    assert_memory_equal(runs, expected, sizeof runs);
    cn_pool_free(pool);
}

static void many_jobs_spinning(void **state)
{
    (void)state;
    tiny_jobs(2, false, 200000);
}

static void many_jobs_sleeping(void **state)
{
    (void)state;
    tiny_jobs(2, true, 20000);
}

static void many_jobs_crowded(void **state)
{
    (void)state;
    tiny_jobs(cn_available_cores() + 3, false, 20000);
}

/* Workers that have gone to sleep come back: gaps longer than any spinning. */
static void jobs_after_gaps(void **state)
{
    (void)state;
    struct cn_pool *pool = cn_pool_create(3, false);
    assert_non_null(pool);
    for (int j = 0; j < 20; j++) {
        usleep(2000);
        check_job(pool, 3, 50, j);
    }
    cn_pool_free(pool);
}

static void wait_for_both(void *context, int i, int thread)
{
    atomic_int *arrived = context;
    (void)i;
    (void)thread;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < 2)
        sched_yield();
}

/* Two chunks that wait for each other: ends only if two threads are at work at a time. */
static void threads_run_together(void **state)
{
    (void)state;
    for (int sleep = 0; sleep < 2; sleep++) {
        struct cn_pool *pool = cn_pool_create(2, sleep);
        assert_non_null(pool);
        for (int j = 0; j < 100; j++) {
            atomic_int arrived = 0;
            cn_pool_run(pool, 2, wait_for_both, &arrived, 2);
            assert_int_equal(atomic_load(&arrived), 2);
        }
        cn_pool_free(pool);
    }
}

enum { HELP_CHUNKS = 64 };

static void wait_for_the_rest(void *context, int i, int thread)
{
    atomic_int *done = context;
    (void)thread;
    if (i != 0)
        atomic_fetch_add(done, 1);
    while (i == 0 && atomic_load(done) < HELP_CHUNKS - 1)
        sched_yield();
}

/* A thread that is held up by its first chunk: ends only if others do the rest of its part. */
static void others_help(void **state)
{
    (void)state;
    for (int n_threads = 2; n_threads <= 5; n_threads++) {
        struct cn_pool *pool = cn_pool_create(n_threads, false);
        assert_non_null(pool);
        for (int j = 0; j < 20; j++) {
            atomic_int done = 0;
            cn_pool_run(pool, n_threads, wait_for_the_rest, &done, HELP_CHUNKS);
            assert_int_equal(atomic_load(&done), HELP_CHUNKS - 1);
        }
        cn_pool_free(pool);
    }
}

/* Times that this process's threads went to sleep, at most MAX_THREADS + 1 of them. */
static int sleeps(long *n)
{
    int found = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *d; tasks && found <= MAX_THREADS && (d = readdir(tasks));) {
        char path[300], line[200];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", d->d_name);
        FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &n[found]) == 1)
                found++;
        if (f)
            fclose(f);
    }
    if (tasks)
        closedir(tasks);
    return found;
}

/* Threads that jobs are not for are not woken by them. */
static void others_sleep_on(void **state)
{
    enum { JOBS = 400 };
    long before[MAX_THREADS + 1], after[MAX_THREADS + 1];
    (void)state;
    struct cn_pool *pool = cn_pool_create(MAX_THREADS, true);
    assert_non_null(pool);
    check_job(pool, MAX_THREADS, 100, 0);
    const int n = sleeps(before);
    for (int i = 0; i < JOBS; i++) {
        atomic_int arrived = 0;
        cn_pool_run(pool, 2, wait_for_both, &arrived, 2);
    }
    const bool counted = n >= MAX_THREADS && sleeps(after) == n;
    check_job(pool, MAX_THREADS, 100, 1);
    cn_pool_free(pool);
    if (!counted) {
        print_message("SKIPPED: /proc does not tell how often threads slept\n");
        skip();
    }
    int woken = 0;
    for (int i = 0; i < n; i++)
        woken += after[i] - before[i] > JOBS / 10;
    assert_true(woken <= 2);
}

static void cores_follow_the_groups(void **state)
{
    struct tree t = tree_create();
    (void)state;
    assert_int_equal(cn_quota_cores(t.root), INT_MAX);
    tree_write(&t, "proc/self/cgroup", "4:memory:/elsewhere\n0::/box/inner\n");
    assert_int_equal(cn_quota_cores(t.root), INT_MAX);
    tree_write(&t, "sys/fs/cgroup/box/inner/cpu.max", "max 100000\n");
    assert_int_equal(cn_quota_cores(t.root), INT_MAX);
    tree_write(&t, "sys/fs/cgroup/box/cpu.max", "350000 100000\n");
    assert_int_equal(cn_quota_cores(t.root), 4);
    tree_write(&t, "sys/fs/cgroup/box/inner/cpu.max", "20000 100000\n");
    assert_int_equal(cn_quota_cores(t.root), 1);
    /* In a container the group's own files are at the root. */
    tree_write(&t, "proc/self/cgroup", "0::/\n");
    tree_write(&t, "sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_int_equal(cn_quota_cores(t.root), 2);
    tree_write(&t, "sys/fs/cgroup/cpu.max", "9223372036854775807 1\n");
    assert_int_equal(cn_quota_cores(t.root), INT_MAX);
    tree_write(&t, "sys/fs/cgroup/cpu.max", "-1 0\n");
    assert_int_equal(cn_quota_cores(t.root), INT_MAX);
    tree_remove(&t);
}

static void pools_come_and_go(void **state)
{
    (void)state;
    cn_pool_free(NULL);
    for (int i = 0; i < 200; i++) {
        struct cn_pool *pool = cn_pool_create(1 + i % 6, i & 1);
        assert_non_null(pool);
        if (i % 3 == 0)
            check_job(pool, 6, 10, i);
        cn_pool_free(pool); /* often before the workers have started */
    }
}

static void cores_follow_affinity(void **state)
{
    cpu_set_t all, one;
    (void)state;
    assert_true(cn_available_cores() >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    assert_int_equal(cn_available_cores(), CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cn_available_cores(), 1);
    /* Spinning on the one core would keep the others' work from being done. */
    tiny_jobs(2, false, 1000);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_once),
        cmocka_unit_test(many_jobs_spinning),
        cmocka_unit_test(many_jobs_sleeping),
        cmocka_unit_test(many_jobs_crowded),
        cmocka_unit_test(jobs_after_gaps),
        cmocka_unit_test(threads_run_together),
        cmocka_unit_test(others_help),
        cmocka_unit_test(others_sleep_on),
        cmocka_unit_test(pools_come_and_go),
        cmocka_unit_test(cores_follow_affinity),
        cmocka_unit_test(cores_follow_the_groups),
    };
    alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

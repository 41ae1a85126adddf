/* SPDX-License-Identifier: MIT
 *
 * The modelled meter: its arithmetic, its label, and that nobody gets it unasked.
 */
#include "profiler/profiler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_follows_cpu_time(void **state)
{
    (void)state;
    struct cn_profiler_options o = { .meter = "model:4,18.5" };
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    assert_non_null(p);
    assert_int_equal(cn_profiler_start(p, &err), 0);
    double cpu[2];
    for (int busy = 0; busy < 2; busy++) {
        cn_profiler_phase_begin(p, busy ? "prefill" : "load", busy);
        double cpu0 = seconds(CLOCK_PROCESS_CPUTIME_ID), until = seconds(CLOCK_MONOTONIC) + 0.2;
        if (!busy)
            usleep(200000);
        while (seconds(CLOCK_MONOTONIC) < until)
            ;
        cpu[busy] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu0;
        cn_profiler_phase_end(p);
    }
    assert_int_equal(cn_profiler_stop(p, &err), 0);
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    for (int busy = 0; busy < 2; busy++) {
        struct cn_energy e;
        cn_profiler_phase(p, 0, (size_t)busy, &e);
        assert_int_equal(e.status, CN_ENERGY_MODELLED);
        double want = 4e-9 * (double)e.busy_ns + 14.5 * cpu[busy] / cores;
        print_message("%.4f J, %.4f by hand\n", e.joules, want);
        assert_true(fabs(e.joules - want) < 0.05 * want);
        /* Nobody knows how far it is off. */
        assert_true(isnan(e.uncertainty) && isnan(e.uncertainty_net));
    }
    const struct cn_meter_info *info = cn_profiler_channel(p, 0);
    assert_true(info->modelled);
    assert_non_null(strstr(info->boundary, "modelled"));

    struct tree t = tree_create();
    char path[1024], line[4096];
    tree_path(&t, "trace.jsonl", path);
    assert_int_equal(cn_profiler_write_trace(p, path, &err), 0);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int n = 0;
    for (; fgets(line, sizeof line, f); n++) {
        assert_non_null(strstr(line, "\"status\":\"modelled\""));
        assert_non_null(strstr(line, "\"boundary\":\"machine (modelled)\""));
        assert_non_null(strstr(line, "\"uncertainty\":null"));
    }
    assert_int_equal(n, 2);
    fclose(f);
    cn_profiler_free(p);
    tree_remove(&t);
}

static void test_only_when_asked_for(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_profiler_options o = { .root = t.root };
    struct cn_profiler *p = cn_profiler_create(&o, NULL);
    assert_non_null(p);
    assert_false(cn_profiler_channel(p, 0)->ok);
    assert_false(cn_profiler_channel(p, 0)->modelled);
    cn_profiler_free(p);
    static const char *const bad[] = { "model",      "model:4",    "model:4,",  "model:,4",
                                       "model:18,4", "model:-1,4", "model:a,b", "model:4,18,5" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.meter = bad[i];
        p = cn_profiler_create(&o, NULL);
        assert_non_null(p);
        const struct cn_meter_info *info = cn_profiler_channel(p, 0);
        assert_false(info->ok);
        assert_true(info->reason[0] && info->remedy[0]);
        cn_profiler_free(p);
    }
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_cpu_time),
        cmocka_unit_test(test_only_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

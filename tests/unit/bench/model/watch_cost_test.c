/* SPDX-License-Identifier: MIT
 *
 * What watching costs: CPU time of the sampler with every kind of meter that reads files, and time
 * of the two edges of a token.
 */
#include "profiler/profiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SLOWER = 20 };
#else
enum { SLOWER = 1 };
#endif

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct tree all_meters(void)
{
    struct tree t = tree_create();
    for (int socket = 0; socket < 2; socket++) {
        char id[64], name[64];
        snprintf(id, sizeof id, "intel-rapl:%d", socket);
        snprintf(name, sizeof name, "package-%d", socket);
        tree_zone(&t, id, name, 1000 + 5000000 * socket, 262143328850);
        snprintf(id, sizeof id, "intel-rapl:%d:0", socket);
        tree_zone(&t, id, "dram", 1000 + 5000000 * socket, 262143328850);
    }
#define POWER "sys/bus/event_source/devices/power/"
    tree_write(&t, POWER "type", "20\n");
    tree_write(&t, POWER "cpumask", "0\n");
    tree_write(&t, POWER "events/energy-pkg", "event=0x02\n");
    tree_write(&t, POWER "events/energy-pkg.scale", "2.3283064365386962e-10\n");
    tree_write(&t, POWER "counts/energy-pkg.0", "1000\n");
    tree_write(&t, "sys/class/hwmon/hwmon0/name", "power_meter\n");
    tree_write(&t, "sys/class/hwmon/hwmon0/power1_average", "5000000\n");
    tree_write(&t, "sys/class/power_supply/BAT0/type", "Battery\n");
    tree_write(&t, "sys/class/power_supply/BAT0/status", "Discharging\n");
    tree_write(&t, "sys/class/power_supply/BAT0/power_now", "5000000\n");
    tree_write(&t, "sys/bus/iio/devices/iio:device0/energy_value", "t=1\nCH0(T=1)[VSYS_A], 5\n");
    return t;
}

static const char every[] = "powercap:package,powercap:dram,perf,hwmon,battery,iio,model:4,18";

static struct cn_profiler *start(const struct tree *t, const char *meter)
{
    struct cn_profiler_options o = { .root = t->root, .meter = meter };
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    if (!p || cn_profiler_start(p, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < cn_profiler_n_channels(p); i++)
        if (!cn_profiler_channel(p, i)->ok)
            fail_msg("%s: %s", cn_profiler_channel(p, i)->name, cn_profiler_channel(p, i)->reason);
    return p;
}

static void test_sampler(void **state)
{
    (void)state;
    struct tree t = all_meters();
    struct cn_profiler *p = start(&t, every);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), time = seconds(CLOCK_MONOTONIC);
    struct timespec wait = { 1, 500000000 };
    nanosleep(&wait, NULL);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    time = seconds(CLOCK_MONOTONIC) - time;
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    print_message("the sampler of %zu channels at 20 Hz takes %.3f%% of a core\n",
                  cn_profiler_n_channels(p), 100 * cpu / time);
    /* Half a percent of two cores. */
    assert_true(cpu / time < 0.01 * SLOWER);
    cn_profiler_free(p);
    tree_remove(&t);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Median over tokens of 1 ms, so that a busy machine does not count. In us. */
static double edges(const struct tree *t, const char *meter)
{
    struct cn_profiler *p = start(t, meter);
    enum { TOKENS = 400 };
    double us[TOKENS];
    struct timespec token = { 0, 1000000 };
    for (int i = 0; i < TOKENS; i++) {
        double t0 = seconds(CLOCK_MONOTONIC);
        cn_profiler_phase_begin(p, "decode", i);
        double t1 = seconds(CLOCK_MONOTONIC);
        nanosleep(&token, NULL);
        double t2 = seconds(CLOCK_MONOTONIC);
        cn_profiler_phase_end(p);
        us[i] = 1e6 * (seconds(CLOCK_MONOTONIC) - t2 + t1 - t0);
    }
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    cn_profiler_free(p);
    qsort(us, TOKENS, sizeof *us, by_size);
    return us[TOKENS / 2];
}

static void test_edges(void **state)
{
    (void)state;
    struct tree t = all_meters();
    double none = edges(&t, "battery"), one = edges(&t, "powercap:package");
    double all = edges(&t, every);
    print_message(
        "the edges of a token take %.1f us with a gauge, %.1f us with two counters, %.1f us "
        "with all\n",
        none, one, all);
    assert_true(none < 20 * SLOWER && one < 60 * SLOWER && all < 250 * SLOWER);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

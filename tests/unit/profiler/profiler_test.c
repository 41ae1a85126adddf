/* SPDX-License-Identifier: MIT
 *
 * The profiler object: without a meter, with recorded samples, with a battery; its trace and what
 * is made of it later.
 */
#include "profiler/profiler.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

enum { MS = 1000000 };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec t = { ns / 1000000000, ns % 1000000000 };
    nanosleep(&t, NULL);
}

static struct cn_profiler *create(const struct tree *t, const char *meter)
{
    struct cn_profiler_options o = { .root = t->root, .meter = meter };
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static void phase(struct cn_profiler *p, const char *kind, int64_t index, int64_t ns)
{
    cn_profiler_phase_begin(p, kind, index);
    sleep_ns(ns);
    cn_profiler_phase_end(p);
}

static void test_without_a_meter(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_profiler *p = create(&t, NULL);
    assert_int_equal(cn_profiler_n_channels(p), 1);
    const struct cn_meter_info *info = cn_profiler_channel(p, 0);
    assert_false(info->ok);
    assert_non_null(strstr(info->reason, "powercap"));
    assert_true(info->remedy[0] != 0);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    assert_int_equal(cn_profiler_start(p, NULL), -1); /* runs already */
    enum { N = 20000 };
    int64_t t0 = now_ns();
    for (int i = 0; i < N; i++) {
        cn_profiler_phase_begin(p, "decode", i);
        cn_profiler_phase_end(p);
    }
    double ns = (double)(now_ns() - t0) / N;
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    assert_int_equal(cn_profiler_n_phases(p), N);
    struct cn_energy e;
    cn_profiler_phase(p, 0, 7, &e);
    assert_int_equal(e.status, CN_ENERGY_UNSUPPORTED);
    assert_true(isnan(e.joules) && isnan(e.joules_net) && isnan(e.uncertainty));
    assert_int_equal(e.index, 7);
    assert_true(e.t1_ns >= e.t0_ns && e.t0_ns > 0);
    assert_string_equal(e.reason, info->reason);
    cn_profiler_total(p, 0, "decode", 0, SIZE_MAX, &e);
    assert_int_equal(e.status, CN_ENERGY_UNSUPPORTED);
    assert_int_equal(e.index, N);
    assert_true(e.busy_ns > 0);
    print_message("a phase without a meter costs %.0f ns\n", ns);
    assert_true(ns < 20000);
    cn_profiler_free(p);
    tree_remove(&t);
}

static void test_nesting_and_room(void **state)
{
    (void)state;
    struct cn_profiler_options o = { .meter = "none", .max_phases = 12 };
    struct cn_profiler *p = cn_profiler_create(&o, NULL);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    cn_profiler_phase_end(p); /* one too many is nothing */
    cn_profiler_phase_begin(p, "load", 0);
    cn_profiler_phase_begin(p, "page-in", 0);
    cn_profiler_phase_end(p);
    cn_profiler_phase_begin(p, "set-up", 0);
    assert_int_equal(cn_profiler_stop(p, NULL), 0); /* closes both */
    struct cn_energy a, b, c;
    cn_profiler_phase(p, 0, 0, &a);
    cn_profiler_phase(p, 0, 1, &b);
    cn_profiler_phase(p, 0, 2, &c);
    assert_string_equal(b.phase, "page-in");
    assert_true(a.t0_ns <= b.t0_ns && b.t1_ns <= c.t0_ns && c.t1_ns <= a.t1_ns);
    /* All kinds together: what lies inside another counts once. */
    struct cn_energy all;
    cn_profiler_total(p, 0, NULL, 0, SIZE_MAX, &all);
    assert_int_equal(all.busy_ns, a.t1_ns - a.t0_ns);

    assert_int_equal(cn_profiler_start(p, NULL), 0); /* once more: forgets the first */
    for (int i = 0; i < 10; i++)
        cn_profiler_phase_begin(p, "deep", i); /* two are too deep */
    for (int i = 0; i < 10; i++)
        cn_profiler_phase_end(p);
    for (int i = 0; i < 10; i++)
        phase(p, "flat", i, 0); /* six find no room */
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    assert_int_equal(cn_profiler_n_phases(p), 12);
    assert_non_null(cn_profiler_note(p));
    assert_non_null(strstr(cn_profiler_note(p), "8 phases"));
    cn_profiler_phase(p, 0, 11, &a);
    assert_string_equal(a.phase, "flat");
    assert_int_equal(a.index, 3);
    cn_profiler_free(p);
    cn_profiler_free(NULL);
}

static void test_errors_of_create(void **state)
{
    (void)state;
    struct cn_profiler_error err;
    struct cn_profiler_options o = { .meter = "crystal-ball" };
    assert_null(cn_profiler_create(&o, &err));
    assert_non_null(strstr(err.text, "crystal-ball"));
    o.meter = "powercap,,battery";
    assert_null(cn_profiler_create(&o, &err));
    o = (struct cn_profiler_options){ .sample_hz = -1 };
    assert_null(cn_profiler_create(&o, &err));
    assert_non_null(strstr(err.text, "sample_hz"));
    /* A file that is not there: the run goes on, the channel says why. */
    o = (struct cn_profiler_options){ .meter = "file:/nonexistent.csv" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    assert_non_null(p);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    phase(p, "load", 0, MS);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    struct cn_energy e;
    cn_profiler_phase(p, 0, 0, &e);
    assert_int_equal(e.status, CN_ENERGY_UNSUPPORTED);
    assert_non_null(strstr(e.reason, "/nonexistent.csv: No such file"));
    cn_profiler_free(p);
}

/* A recording is replayed from the start of the run: 10 W, then from 0.25 s on 30 W, every 5 ms. */
static void test_file_is_replayed(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024], meter[1100], trace[1024];
    tree_path(&t, "watts.csv", path);
    tree_path(&t, "trace.jsonl", trace);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("t_ms,power_w\n", f);
    for (int ms = 0; ms < 60000; ms += 5)
        fprintf(f, "%d,%d.0000%d\n", ms, ms < 250 ? 10 : 30, ms / 5 % 2);
    fclose(f);
    snprintf(meter, sizeof meter, "file:%s", path);
    struct cn_profiler *p = create(&t, meter);
    assert_true(cn_profiler_channel(p, 0)->ok);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    int64_t start = now_ns();
    phase(p, "idle", 0, 100 * MS);
    sleep_ns(start + 300 * MS - now_ns());
    phase(p, "prefill", 0, 100 * MS);
    phase(p, "sample", 0, MS);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    struct cn_energy e;
    cn_profiler_phase(p, 0, 0, &e);
    assert_int_equal(e.status, CN_ENERGY_MEASURED);
    assert_true(fabs(e.joules - 10 * 1e-9 * (double)e.busy_ns) < 1e-4);
    cn_profiler_phase(p, 0, 1, &e);
    assert_true(fabs(e.joules - 30 * 1e-9 * (double)e.busy_ns) < 1e-4);
    assert_true(fabs(e.joules_net - 20 * 1e-9 * (double)e.busy_ns) < 1e-4);
    assert_true(e.updates >= 20);
    cn_profiler_phase(p, 0, 2, &e);
    assert_int_equal(e.status, CN_ENERGY_UNRESOLVED);
    assert_non_null(strstr(e.reason, "too few new values"));
    struct cn_baseline b;
    cn_profiler_baseline(p, 0, &b);
    assert_true(fabs(b.before_w - 10) < 1e-3 && isnan(b.after_w));

    assert_int_equal(cn_profiler_write_trace(p, trace, NULL), 0);
    f = fopen(trace, "r");
    assert_non_null(f);
    char line[4096];
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        static const char *const keys[] = { "phase",
                                            "index",
                                            "t0_ns",
                                            "t1_ns",
                                            "joules",
                                            "joules_net",
                                            "uncertainty",
                                            "updates",
                                            "status",
                                            "meter",
                                            "boundary",
                                            "realtime_offset_ns",
                                            "boottime_offset_ns" };
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            char key[64];
            snprintf(key, sizeof key, "\"%s\":", keys[i]);
            assert_non_null(strstr(line, key));
        }
        if (n++ == 2)
            assert_non_null(strstr(line, "\"joules\":null"));
    }
    assert_int_equal(n, 3);
    fclose(f);
    assert_int_equal(cn_profiler_write_trace(p, "/nonexistent/dir/trace", NULL), -1);
    cn_profiler_free(p);
    tree_remove(&t);
}

/* ---- a battery that somebody writes ---------------------------------------------------------- */

struct gauge {
    struct tree tree;
    atomic_bool stop;
    int64_t start;
};

static double gauge_watts(double seconds)
{
    return 6 + 2 * sin(7 * seconds);
}

static void *write_gauge(void *arg)
{
    struct gauge *g = arg;
    char path[1024];
    tree_path(&g->tree, "sys/class/power_supply/BAT0/power_now", path);
    while (!atomic_load(&g->stop)) {
        FILE *f = fopen(path, "r+");
        if (f) {
            fprintf(f, "%.0f\n        ", 1e6 * gauge_watts(1e-9 * (double)(now_ns() - g->start)));
            fclose(f);
        }
        sleep_ns(20 * MS);
    }
    return NULL;
}

static void test_battery_while_it_is_written(void **state)
{
    (void)state;
    struct gauge g = { .tree = tree_create(), .start = now_ns() };
    tree_write(&g.tree, "sys/class/power_supply/BAT0/type", "Battery\n");
    tree_write(&g.tree, "sys/class/power_supply/BAT0/status", "Discharging\n");
    tree_write(&g.tree, "sys/class/power_supply/BAT0/power_now", "6000000\n");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_gauge, &g), 0);
    struct cn_profiler_options o = { .root = g.tree.root, .sample_hz = 100 };
    struct cn_profiler *p = cn_profiler_create(&o, NULL);
    assert_non_null(p);
    assert_string_equal(cn_profiler_channel(p, 0)->name, "battery");
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    phase(p, "prefill", 0, 1500 * (int64_t)MS);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    atomic_store(&g.stop, true);
    pthread_join(thread, NULL);
    struct cn_energy e;
    cn_profiler_phase(p, 0, 0, &e);
    double t0 = 1e-9 * (double)(e.t0_ns - g.start), t1 = 1e-9 * (double)(e.t1_ns - g.start);
    double truth = 6 * (t1 - t0) + 2 / 7.0 * (cos(7 * t0) - cos(7 * t1));
    print_message("battery: %.3f J +- %.3f, truth %.3f J, %lld updates\n", e.joules, e.uncertainty,
                  truth, (long long)e.updates);
    assert_int_equal(e.status, CN_ENERGY_MEASURED);
    assert_true(e.updates >= 20);
    assert_true(fabs(e.joules - truth) < 0.05 * truth);
    assert_true(fabs(e.joules - truth) < 2 * e.uncertainty);

    /* What the sampler saw, priced again from its own file. */
    char trace[1024], samples[1024];
    tree_path(&g.tree, "trace.jsonl", trace);
    tree_path(&g.tree, "samples.jsonl", samples);
    assert_int_equal(cn_profiler_write_trace(p, trace, NULL), 0);
    assert_int_equal(cn_profiler_write_samples(p, 0, samples, NULL), 0);
    struct cn_profiler_error err = { "" };
    struct cn_profiler *again = cn_attribute_files(trace, samples, NULL, &err);
    if (!again)
        fail_msg("%s", err.text);
    struct cn_energy same;
    cn_profiler_phase(again, 0, 0, &same);
    assert_true(fabs(same.joules - e.joules) < e.uncertainty);
    cn_profiler_free(again);
    cn_profiler_free(p);
    tree_remove(&g.tree);
}

/* The battery is taken out in the middle: a note, and phases that say so. */
static void test_battery_vanishes(void **state)
{
    (void)state;
    static const char supply[] = "sys/class/power_supply/BAT0/";
    static const char *const files[][2] = {
        {"type",       "Battery"    },
        { "status",    "Discharging"},
        { "power_now", "8000000"    }
    };
    struct tree t = tree_create();
    char file[128];
    for (size_t i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s%s", supply, files[i][0]);
        tree_write(&t, file, "%s\n", files[i][1]);
    }
    struct cn_profiler_options o = { .root = t.root, .meter = "battery", .sample_hz = 200 };
    struct cn_profiler *p = cn_profiler_create(&o, NULL);
    assert_non_null(p);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    cn_profiler_phase_begin(p, "prefill", 0);
    for (int i = 0; i < 40; i++) {
        snprintf(file, sizeof file, "%spower_now", supply);
        char path[1024];
        tree_path(&t, file, path);
        FILE *f = i < 20 ? fopen(path, "r+") : NULL;
        if (f) {
            fprintf(f, "%d\n", 8000000 + 1000 * i);
            fclose(f);
        } else {
            unlink(path);
        }
        sleep_ns(10 * MS);
    }
    cn_profiler_phase_end(p);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    assert_non_null(cn_profiler_note(p));
    assert_non_null(strstr(cn_profiler_note(p), "battery: no such file"));
    struct cn_energy e;
    cn_profiler_phase(p, 0, 0, &e);
    assert_int_equal(e.status, CN_ENERGY_UNRESOLVED);
    assert_true(isnan(e.joules));
    assert_non_null(e.reason);
    cn_profiler_free(p);
    tree_remove(&t);
}

/* A charger feeds in one phase of two: that one has no joules and says why. */
static void test_battery_that_charges_by_force(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024];
    tree_write(&t, "sys/class/power_supply/BAT0/type", "Battery\n");
    tree_write(&t, "sys/class/power_supply/BAT0/status", "Charging\n");
    tree_write(&t, "sys/class/power_supply/BAT0/power_now", "9000000\n");
    struct cn_profiler_options o = {
        .root = t.root, .meter = "battery", .sample_hz = 200, .force = true
    };
    struct cn_profiler *p = cn_profiler_create(&o, NULL);
    assert_non_null(p);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    phase(p, "prefill", 0, 100 * MS);
    tree_write(&t, "sys/class/power_supply/BAT0/status", "Discharging\n");
    sleep_ns(20 * MS);
    tree_path(&t, "sys/class/power_supply/BAT0/power_now", path);
    cn_profiler_phase_begin(p, "decode", 0);
    for (int i = 0; i < 40; i++) {
        FILE *f = fopen(path, "r+");
        assert_non_null(f);
        fprintf(f, "%d\n", 8000000 + 1000 * i);
        fclose(f);
        sleep_ns(10 * MS);
    }
    cn_profiler_phase_end(p);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    assert_non_null(strstr(cn_profiler_note(p), "BAT0 is charging"));
    struct cn_energy e;
    cn_profiler_phase(p, 0, 1, &e);
    assert_int_equal(e.status, CN_ENERGY_MEASURED);
    assert_true(fabs(e.joules / (8.02e-9 * (double)e.busy_ns) - 1) < 0.05);
    cn_profiler_total(p, 0, NULL, 0, 2, &e);
    assert_int_equal(e.status, CN_ENERGY_UNRESOLVED);
    cn_profiler_free(p);
    /* And all the time. */
    tree_write(&t, "sys/class/power_supply/BAT0/status", "Charging\n");
    p = cn_profiler_create(&o, NULL);
    assert_int_equal(cn_profiler_start(p, NULL), 0);
    phase(p, "prefill", 0, 100 * MS);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    cn_profiler_phase(p, 0, 0, &e);
    assert_int_equal(e.status, CN_ENERGY_UNRESOLVED);
    assert_true(isnan(e.joules));
    assert_non_null(strstr(e.reason, "BAT0 is charging"));
    cn_profiler_free(p);
    tree_remove(&t);
}

/* ---- a phone's session ----------------------------------------------------------------------- */

/* Watts of the made-up phone at a time of its run. */
static double phone_watts(double s)
{
    return s < 2 ? 1.5 : s < 3.5 ? 6 : s < 6 ? 13 : s < 16 ? 9 : 1.7;
}

/* The trace of one device, the log of a companion app on a clock 3.7 s off that repeats a gauge of
 * 310 ms: each phase within 2%. */
static void test_attribute_a_phone(void **state)
{
    (void)state;
    struct tree t = tree_create();
    static const struct {
        const char *kind;
        double from, to;
    } phases[] = {
        {"idle",     0.2,  1.9 },
        { "load",    2,    3.5 },
        { "prefill", 3.5,  6   },
        { "decode",  6,    16  },
        { "idle",    16.5, 20.5}
    };
    const int64_t mono = 5000000000000, offset = 1699995000000000000, off_ns = 3700000000;
    char trace[1024], log[1024];
    tree_path(&t, "trace.jsonl", trace);
    tree_path(&t, "log", log);
    FILE *f = fopen(trace, "w");
    assert_non_null(f);
    for (int i = 0; i < 5; i++)
        fprintf(f,
                "{\"phase\":\"%s\",\"index\":0,\"t0_ns\":%lld,\"t1_ns\":%lld,\"joules\":null,"
                "\"realtime_offset_ns\":%lld}\n",
                phases[i].kind, (long long)(mono + (int64_t)(1e9 * phases[i].from)),
                (long long)(mono + (int64_t)(1e9 * phases[i].to)), (long long)offset);
    fclose(f);
    f = fopen(log, "w");
    assert_non_null(f);
    for (int i = -45; i < 230; i++) {
        double at = 0.101 * i, seen = floor(at / 0.31) * 0.31; /* the gauge held its last value */
        /* mean of its last period, as such gauges give */
        double watts = 0;
        for (int k = 0; k < 31; k++)
            watts += phone_watts(seen - 0.31 + 0.01 * k) / 31;
        /* no two readings of a real gauge are quite equal */
        watts *= 1 + 0.004 * ((i / 3) % 5 - 2);
        int64_t ms = (mono + offset - off_ns + (int64_t)(1e9 * at)) / 1000000;
        fprintf(f, "D BatteryMgr: stats => %lld,%.0f,%d,93,301\n", (long long)ms,
                -1e6 * watts / 4.1, 4100);
    }
    fclose(f);
    struct cn_attribute_options o = { .offset_ms = 3700 - 155 }; /* less half a refresh of lag */
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_attribute_files(trace, log, &o, &err);
    if (!p)
        fail_msg("%s", err.text);
    assert_int_equal(cn_profiler_n_phases(p), 5);
    struct cn_energy e;
    cn_profiler_total(p, 0, "decode", 0, SIZE_MAX, &e);
    print_message("decode %.2f J (truth 90) +- %.2f, net %.2f, %lld updates\n", e.joules,
                  e.uncertainty, e.joules_net, (long long)e.updates);
    assert_true(fabs(e.joules - 90) < 0.02 * 90);
    assert_true(fabs(e.joules_net - (90 - 16)) < 0.03 * 74);
    assert_true(e.updates >= 28 && e.updates <= 36);
    cn_profiler_phase(p, 0, 2, &e);
    assert_string_equal(e.phase, "prefill");
    assert_true(e.joules < 0 || isnan(e.joules) || fabs(e.joules - 32.5) < e.uncertainty + 0.65);
    cn_profiler_free(p);

    o.offset_ms = 1e9;
    assert_null(cn_attribute_files(trace, log, &o, &err));
    assert_non_null(strstr(err.text, "no sample falls into the trace"));
    o.offset_ms = 1e15;
    assert_null(cn_attribute_files(trace, log, &o, &err));
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"",                                                               "no phases"                                },
        { "{\"phase\":\"x\"}\n",                                           "line 1: expected integers t0_ns and t1_ns"},
        { "{\"phase\":\"x\",\"t0_ns\":5,\"t1_ns\":4}\n",                   "line 1: expected t0_ns <= t1_ns"          },
        { "{\"phase\":\"x\",\"t0_ns\":5,\"t1_ns\":9223372036854775807}\n", "line 1"                                   },
        { "\n\nhello\n",                                                   "line 3: expected an object"               }
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tree_write(&t, "trace.jsonl", "%s", bad[i].text);
        assert_null(cn_attribute_files(trace, log, NULL, &err));
        if (!strstr(err.text, bad[i].why))
            fail_msg("expected \"%s\", found \"%s\"", bad[i].why, err.text);
    }
    tree_remove(&t);
}

static void test_enumerate(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 5, 100000000);
    tree_zone(&t, "intel-rapl:0:0", "core", 5, 100000000);
    struct cn_meter_list list;
    assert_int_equal(cn_meters_enumerate(t.root, &list), 0);
    assert_true(list.n >= 4); /* each other meter says why not */
    assert_string_equal(list.items[0].name, "powercap:package");
    assert_string_equal(list.items[1].name, "powercap:core");
    assert_true(list.items[0].ok && list.items[0].counter && !list.items[0].modelled);
    assert_true(list.items[0].period_ms == 1);
    for (size_t i = 2; i < list.n; i++) {
        assert_false(list.items[i].ok);
        assert_true(list.items[i].reason[0] && list.items[i].remedy[0]);
    }
    cn_meter_list_free(&list);
    cn_meter_list_free(NULL);
    assert_string_equal(cn_energy_status_name(CN_ENERGY_UNRESOLVED), "unresolved");
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_meter),
        cmocka_unit_test(test_nesting_and_room),
        cmocka_unit_test(test_errors_of_create),
        cmocka_unit_test(test_file_is_replayed),
        cmocka_unit_test(test_battery_while_it_is_written),
        cmocka_unit_test(test_battery_vanishes),
        cmocka_unit_test(test_battery_that_charges_by_force),
        cmocka_unit_test(test_attribute_a_phone),
        cmocka_unit_test(test_enumerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

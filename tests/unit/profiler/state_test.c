/* SPDX-License-Identifier: MIT
 *
 * The machine's state beside the joules: what is read from trees, and what is said of a change.
 */
#include "profiler/state.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static bool near(double got, double want)
{
    return fabs(got - want) < 1e-9 * fmax(1, fabs(want));
}

static void test_a_laptop(void **state)
{
    (void)state;
    struct tree t = tree_create();
    for (int cpu = 0; cpu < 2; cpu++) {
        char dir[64], file[128];
        snprintf(dir, sizeof dir, "sys/devices/system/cpu/cpu%d", cpu);
#define PUT(name, ...) \
    (snprintf(file, sizeof file, "%s/%s", dir, name), tree_write(&t, file, __VA_ARGS__))
        PUT("cpufreq/scaling_cur_freq", "%d\n", 1800000 + 400000 * cpu);
        PUT("cpufreq/scaling_max_freq", "3000000\n");
        PUT("cpufreq/cpuinfo_max_freq", "4000000\n");
        PUT("cpufreq/scaling_governor", "%s\n", "powersave");
        PUT("thermal_throttle/core_throttle_count", "%d\n", 3 + cpu);
        PUT("thermal_throttle/package_throttle_count", "5\n");
#undef PUT
    }
    tree_write(&t, "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "9\n");
    static const struct {
        const char *type;
        int milli;
    } zones[] = {
        {"acpitz",        99000  }, /* not the CPU's */
        { "x86_pkg_temp", 61000  },
        { "x86_pkg_temp", 63500  },
        { "cpu-absent",   -274000}
    };
    for (int i = 0; i < 4; i++) {
        char file[64];
        snprintf(file, sizeof file, "sys/class/thermal/thermal_zone%d/type", i);
        tree_write(&t, file, "%s\n", zones[i].type);
        snprintf(file, sizeof file, "sys/class/thermal/thermal_zone%d/temp", i);
        tree_write(&t, file, "%d\n", zones[i].milli);
    }
    tree_write(&t, "sys/class/power_supply/BAT0/type", "Battery\n");
    tree_write(&t, "sys/class/power_supply/BAT0/capacity", "81\n");
    tree_write(&t, "sys/class/power_supply/BAT1/type", "Battery\n");
    tree_write(&t, "sys/class/power_supply/BAT1/capacity", "44\n");
    tree_write(&t, "sys/class/power_supply/mouse/type", "Battery\n");
    tree_write(&t, "sys/class/power_supply/mouse/scope", "Device\n");
    tree_write(&t, "sys/class/power_supply/mouse/capacity", "3\n");
    tree_write(&t, "sys/class/power_supply/AC/type", "Mains\n");
    tree_write(&t, "sys/class/power_supply/AC/online", "1\n");
    tree_write(&t, "sys/class/power_supply/USBC/type", "USB\n");
    tree_write(&t, "sys/class/power_supply/USBC/online", "0\n");
    tree_write(&t, "sys/class/backlight/panel/brightness", "300\n");
    tree_write(&t, "sys/class/backlight/panel/max_brightness", "1200\n");
    tree_write(&t, "sys/class/backlight/panel/bl_power", "0\n");
    tree_write(&t, "proc/loadavg", "0.73 0.5 0.4 1/200 4000\n");
    tree_write(&t, "proc/stat", "cpu  1000 200 300 99999 400 50 60 700 0 0\ncpu0 1 2 3 4\n");
    struct cn_system_state s;
    cn_state_read(t.root, &s);
    assert_true(near(s.mhz, 2000) && near(s.mhz_limit, 3000) && near(s.mhz_max, 4000));
    assert_string_equal(s.governor, "powersave");
    assert_true(near(s.throttle_count, 17));
    assert_int_equal(s.throttle_flags, -1);
    assert_true(near(s.celsius, 63.5));
    assert_string_equal(s.zone, "x86_pkg_temp");
    assert_true(near(s.battery_percent, 44));
    assert_int_equal(s.charger, 1);
    assert_true(near(s.screen, 0.25));
    assert_true(near(s.load_1min, 0.73));
    assert_true(near(s.busy_s, 16.1)); /* of 100 ticks a second */
    assert_true(s.own_cpu_s > 0 && s.time_s > 0);
    tree_remove(&t);
}

static void test_a_pi_and_an_empty_tree(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_system_state s;
    cn_state_read(t.root, &s);
    assert_true(isnan(s.mhz) && isnan(s.mhz_limit) && isnan(s.mhz_max) && isnan(s.celsius));
    assert_true(isnan(s.throttle_count) && isnan(s.battery_percent) && isnan(s.screen));
    assert_true(isnan(s.load_1min) && isnan(s.busy_s));
    assert_true(s.charger == -1 && s.throttle_flags == -1 && !s.governor[0] && !s.zone[0]);
    char text[400];
    cn_state_judge(&s, &s, text, sizeof text);
    assert_string_equal(text, "");
    /* Bits from 16 on say what was since boot. */
    tree_write(&t, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    tree_write(&t, "proc/cpuinfo", "cpu MHz\t\t: 1500.5\ncpu MHz\t\t: 1600.5\n");
    tree_write(&t, "sys/class/hwmon/hwmon7/name", "k10temp\n");
    tree_write(&t, "sys/class/hwmon/hwmon7/temp1_input", "55125\n");
    cn_state_read(t.root, &s);
    assert_int_equal(s.throttle_flags, 5);
    assert_true(near(s.mhz, 1550.5));
    assert_true(near(s.celsius, 55.125));
    cn_state_judge(&s, &s, text, sizeof text);
    assert_string_equal(text, "the firmware reports under-voltage throttling");
    tree_remove(&t);
}

static struct cn_system_state quiet(void)
{
    struct cn_system_state s = { .mhz = 2000,
                                 .mhz_limit = 3000,
                                 .mhz_max = 3000,
                                 .governor = "schedutil",
                                 .celsius = 50,
                                 .throttle_count = 7,
                                 .throttle_flags = -1,
                                 .battery_percent = 80,
                                 .charger = 0,
                                 .screen = 0.5,
                                 .load_1min = 0.1,
                                 .busy_s = 1000,
                                 .own_cpu_s = 5,
                                 .time_s = 100 };
    return s;
}

static void judged(const struct cn_system_state *a, const struct cn_system_state *b,
                   const char *want)
{
    char text[400];
    cn_state_judge(a, b, text, sizeof text);
    assert_string_equal(text, want);
}

static void test_what_is_said(void **state)
{
    (void)state;
    struct cn_system_state a = quiet(), b = quiet();
    /* Ten seconds of two own threads, and a tenth of a core for the rest of the system. */
    b.time_s = 110;
    b.own_cpu_s = 25;
    b.busy_s = 1021;
    judged(&a, &b, "");
    b.busy_s = 1035;
    judged(&a, &b, "other programs kept 1.5 cores busy");
    b.busy_s = (double)NAN; /* a phone hides it: then what was there before the run */
    judged(&a, &b, "");
    a.load_1min = 2.5;
    judged(&a, &b, "other programs ran before it (load 2.5)");

    a = quiet();
    b = quiet();
    b.throttle_count = 9;
    b.mhz_limit = 2200;
    judged(&a, &b,
           "the CPU was throttled by heat (2 times); the frequency limit fell (from 3000 to 2200 "
           "MHz)");
    b = quiet();
    a.mhz_limit = b.mhz_limit = 1800;
    judged(&a, &b, "the frequency is limited (to 1800 of 3000 MHz)");

    a = quiet();
    b.mhz_limit = 3000;
    b.charger = 1;
    snprintf(b.governor, sizeof b.governor, "performance");
    judged(&a, &b,
           "the governor changed from schedutil to performance; the charger was plugged in");
    b = quiet();
    b.battery_percent = 9;
    b.screen = 1;
    judged(&a, &b,
           "the battery is so low that systems save power (9%); the screen's brightness changed "
           "(from 50% to 100%)");
    /* However little room there is. */
    for (size_t n = 1; n < 120; n++) {
        char text[128];
        memset(text, 'x', sizeof text);
        cn_state_judge(&a, &b, text, n);
        assert_true(strlen(text) < n);
    }
}

/* The load of another program while a profiler watches, and none of its own. */
static void test_a_profiler_says_so(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_profiler_options o = { .root = t.root };
    struct cn_profiler_error err;
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    assert_non_null(p);
    tree_write(&t, "proc/stat", "cpu  1000 0 0 5000\n");
    tree_write(&t, "sys/class/power_supply/AC/type", "Mains\n");
    tree_write(&t, "sys/class/power_supply/AC/online", "0\n");
    assert_int_equal(cn_profiler_start(p, &err), 0);
    assert_null(cn_profiler_disturbance(p));
    struct timespec wait = { 1, 50000000 };
    nanosleep(&wait, NULL);
    tree_write(&t, "proc/stat", "cpu  1420 0 0 5200\n");
    tree_write(&t, "sys/class/power_supply/AC/online", "1\n");
    assert_int_equal(cn_profiler_stop(p, &err), 0);
    const char *said = cn_profiler_disturbance(p);
    assert_non_null(said);
    assert_non_null(strstr(said, "other programs kept "));
    assert_non_null(strstr(said, " cores busy; the charger was plugged in"));
    struct cn_system_state before, after;
    cn_profiler_state(p, &before, &after);
    assert_true(near(before.busy_s, 10) && near(after.busy_s, 14.2));
    assert_true(before.charger == 0 && after.charger == 1);
    cn_profiler_state(p, NULL, NULL);
    cn_profiler_free(p);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_laptop),
        cmocka_unit_test(test_a_pi_and_an_empty_tree),
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_a_profiler_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

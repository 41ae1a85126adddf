/* SPDX-License-Identifier: MIT */
#include "profiler/meters/meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static void put(const struct tree *t, const char *supply, const char *file, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "sys/class/power_supply/%s/%s", supply, file);
    tree_write(t, path, "%s\n", text);
}

static void battery(const struct tree *t, const char *name, const char *status)
{
    put(t, name, "type", "Battery");
    put(t, name, "scope", "System");
    put(t, name, "present", "1");
    put(t, name, "status", status);
}

static struct cn_channel probe(const struct tree *t, bool force)
{
    struct cn_meter_request request = { .root = t->root, .arg = "", .force = force };
    struct cn_channel_list list = { 0 };
    cn_meter_battery.probe(&request, &list);
    assert_int_equal(list.n, 1);
    struct cn_channel c = list.items[0];
    free(list.items);
    return c;
}

/* Watts of one read after opening; NAN, with the reason, if there are none. */
static double watts(const struct tree *t, bool force, char why[200])
{
    struct cn_meter_request request = { .root = t->root, .arg = "", .force = force };
    struct cn_channel c = { 0 };
    struct cn_opened opened = { 0 };
    void *state = cn_meter_battery.open(&request, &c, &opened);
    assert_non_null(state);
    assert_int_equal(opened.n_sources, 1);
    struct cn_reading r = { .value = -1 };
    enum cn_read result = cn_meter_battery.read(state, 0, &r);
    cn_meter_battery.close(state);
    memcpy(why, r.why, 200);
    return result == CN_READ_OK ? 1e-6 * r.value : (double)NAN;
}

static bool near(double got, double want)
{
    return fabs(got - want) < 1e-6;
}

static void test_power_now(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    battery(&t, "BAT0", "Discharging");
    put(&t, "BAT0", "power_now", "8312000");
    assert_true(near(watts(&t, false, why), 8.312));
    put(&t, "BAT0", "power_now", "-8312000"); /* the other sign of other drivers */
    assert_true(near(watts(&t, false, why), 8.312));
    struct cn_channel c = probe(&t, false);
    assert_true(c.info.ok && c.automatic && !c.info.counter);
    assert_string_equal(c.info.boundary, "battery");
    assert_string_equal(c.info.unit, "uW");
    tree_remove(&t);
}

static void test_current_units_and_signs(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    battery(&t, "battery", "Discharging");
    put(&t, "battery", "voltage_now", "3900000");
    static const struct {
        const char *current;
        bool milli;
    } same[] = {
        {"-812000", false},
        { "812000", false},
        { "-812",   true },
        { "812",    true }
    };
    for (int i = 0; i < 4; i++) {
        put(&t, "battery", "current_now", same[i].current);
        assert_true(near(watts(&t, false, why), 0.812 * 3.9));
        struct cn_channel c = probe(&t, false);
        assert_int_equal(strstr(c.info.sources, "taken as mA") != NULL, same[i].milli);
    }
    put(&t, "battery", "voltage_now", "3900"); /* mV */
    assert_true(near(watts(&t, false, why), 0.812 * 3.9));
    /* power_now that is always 0 beside a current that is not */
    put(&t, "battery", "power_now", "0");
    assert_true(near(watts(&t, false, why), 0.812 * 3.9));
    tree_remove(&t);
}

static void test_two_batteries_and_a_mouse(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    battery(&t, "BAT0", "Discharging");
    put(&t, "BAT0", "power_now", "6000000");
    battery(&t, "BAT1", "Unknown");
    put(&t, "BAT1", "current_now", "300000");
    put(&t, "BAT1", "voltage_now", "12000000");
    battery(&t, "hidpp_battery_0", "Discharging");
    put(&t, "hidpp_battery_0", "scope", "Device");
    put(&t, "hidpp_battery_0", "power_now", "99000000");
    battery(&t, "BAT2", "Discharging");
    put(&t, "BAT2", "present", "0");
    put(&t, "BAT2", "power_now", "99000000");
    put(&t, "AC", "type", "Mains");
    put(&t, "AC", "online", "0");
    assert_true(near(watts(&t, false, why), 6 + 3.6));
    /* The second rests: less than 20 mA of its own is no sign of another unit. */
    put(&t, "BAT1", "current_now", "0");
    assert_true(near(watts(&t, false, why), 6));
    tree_remove(&t);
}

static void test_refuses_on_the_charger(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    static const char *const states[] = { "Charging", "Full", "Not charging" };
    put(&t, "AC", "type", "Mains");
    put(&t, "AC", "online", "1");
    for (int i = 0; i < 3; i++) {
        battery(&t, "BAT0", states[i]);
        put(&t, "BAT0", "power_now", "20000000");
        struct cn_channel c = probe(&t, false);
        assert_false(c.info.ok);
        assert_non_null(strstr(c.info.reason, "charg"));
        assert_non_null(strstr(c.info.remedy, "unplug"));
        assert_true(isnan(watts(&t, false, why)));
        assert_non_null(strstr(why, "BAT0"));
        /* Told to, it is taken, but the charger's balance is no consumption. */
        assert_non_null(strstr(c.info.remedy, "unresolved"));
        assert_true(probe(&t, true).info.ok);
        assert_true(isnan(watts(&t, true, why)));
        assert_non_null(strstr(why, "charg"));
    }
    /* Plugged in, yet discharging: a weak charger gives the rest. */
    battery(&t, "BAT0", "Discharging");
    assert_true(isnan(watts(&t, true, why)));
    assert_non_null(strstr(why, "beside a charger (AC is online)"));
    assert_false(probe(&t, false).info.ok);
    /* No status at all: the charger decides. */
    tree_unlink(&t, "sys/class/power_supply/BAT0/status");
    assert_true(isnan(watts(&t, false, why)));
    put(&t, "AC", "online", "0");
    assert_true(near(watts(&t, false, why), 20));
    tree_remove(&t);
}

static void test_plugged_in_while_it_runs(void **state)
{
    (void)state;
    struct tree t = tree_create();
    battery(&t, "BAT0", "Discharging");
    put(&t, "BAT0", "power_now", "8000000");
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_channel c = { 0 };
    struct cn_opened opened;
    void *b = cn_meter_battery.open(&request, &c, &opened);
    struct cn_reading r;
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_OK);
    put(&t, "BAT0", "status", "Charging");
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_FAIL);
    put(&t, "BAT0", "status", "Discharging");
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_OK);
    put(&t, "BAT0", "power_now", "0");
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_FAIL); /* not 0 W */
    cn_meter_battery.close(b);
    tree_remove(&t);
}

/* Where a number that looked like mA turns out too large for it, nothing is believed any more. */
static void test_contradiction_of_units(void **state)
{
    (void)state;
    struct tree t = tree_create();
    battery(&t, "BAT0", "Discharging");
    put(&t, "BAT0", "current_now", "15000");
    put(&t, "BAT0", "voltage_now", "3900000");
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_channel c = { 0 };
    struct cn_opened opened;
    void *b = cn_meter_battery.open(&request, &c, &opened);
    struct cn_reading r;
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_OK);
    put(&t, "BAT0", "current_now", "900000");
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_FAIL);
    assert_non_null(strstr(r.why, "micro"));
    cn_meter_battery.close(b);
    tree_remove(&t);
}

static void test_absence_and_permission(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_channel c = probe(&t, false);
    assert_false(c.info.ok);
    assert_non_null(strstr(c.info.reason, "power_supply: no such file"));
    put(&t, "AC", "type", "Mains");
    c = probe(&t, false);
    assert_non_null(strstr(c.info.reason, "no battery"));
    battery(&t, "battery", "Discharging");
    c = probe(&t, false);
    assert_false(c.info.ok);
    assert_non_null(strstr(c.info.reason, "current_now: no such file"));
    put(&t, "battery", "current_now", "-812000");
    put(&t, "battery", "voltage_now", "3900000");
    tree_chmod(&t, "sys/class/power_supply/battery/current_now", 0);
    c = probe(&t, false);
    assert_false(c.info.ok);
    assert_non_null(strstr(c.info.reason, "battery/current_now: permission denied"));
    assert_non_null(strstr(c.info.remedy, "carnot attribute"));
    tree_remove(&t);
}

/* V, mV and uV cannot be taken for one another. */
static void test_voltage_units(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    battery(&t, "battery", "Discharging");
    put(&t, "battery", "current_now", "812000");
    static const char *const same[] = { "4000000", "4000", "4" };
    for (int i = 0; i < 3; i++) {
        put(&t, "battery", "voltage_now", same[i]);
        assert_true(near(watts(&t, false, why), 0.812 * 4));
        struct cn_channel c = probe(&t, false);
        assert_int_equal(
            strstr(c.info.sources, i == 1 ? "voltage taken as mV" : "taken as V") != NULL, i > 0);
    }
    put(&t, "battery", "voltage_now", "400000"); /* 0.4 V, or 400 V */
    assert_true(isnan(watts(&t, false, why)));
    assert_non_null(strstr(why, "voltage_now says 400000"));
    tree_remove(&t);
}

static void test_no_value(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    static const char *const none[] = { "65535", "65535000", "-2147483648", "2147483647",
                                        "4294967295" };
    battery(&t, "BAT0", "Discharging");
    for (int i = 0; i < 5; i++) {
        put(&t, "BAT0", "power_now", none[i]);
        assert_true(isnan(watts(&t, false, why)));
        assert_non_null(strstr(why, "does not know"));
    }
    tree_remove(&t);
}

/* A status that sticks, a battery of a keyboard, two gauges of one cell, two cells alike. */
static void test_what_is_a_battery_in_use(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    battery(&t, "BAT0", "Not charging");
    put(&t, "BAT0", "power_now", "7000000");
    assert_true(isnan(watts(&t, false, why)));
    put(&t, "AC", "type", "Mains");
    put(&t, "AC", "online", "0");
    assert_true(near(watts(&t, false, why), 7));
    put(&t, "hid", "type", "Battery");
    put(&t, "hid", "status", "Discharging");
    put(&t, "hid", "capacity", "80");
    assert_true(near(watts(&t, false, why), 7));
    battery(&t, "bms", "Discharging");
    put(&t, "bms", "power_now", "7100000");
    assert_true(near(watts(&t, false, why), 7));
    struct cn_channel c = probe(&t, false);
    assert_non_null(strstr(c.info.sources, "bms sees the cell of BAT0"));
    put(&t, "BAT0", "serial_number", "1");
    put(&t, "bms", "serial_number", "2");
    assert_true(near(watts(&t, false, why), 14.1));
    tree_remove(&t);
}

/* The sign flips while the status stays: charging, whatever the status says. A driver whose first
 * sign is not that of the kernel's rule leaves open which of them is use. */
static void test_signs_that_flip(void **state)
{
    (void)state;
    for (int first = -1; first <= 1; first += 2) {
        struct tree t = tree_create();
        battery(&t, "b", "Discharging");
        put(&t, "b", "voltage_now", "4000000");
        put(&t, "b", "current_now", first < 0 ? "-500000" : "500000");
        struct cn_meter_request request = { .root = t.root, .arg = "" };
        struct cn_channel c = { .info = { .ok = true } };
        struct cn_opened opened;
        void *b = cn_meter_battery.open(&request, &c, &opened);
        struct cn_reading r;
        char remark[256] = "";
        assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_OK);
        put(&t, "b", "current_now", first < 0 ? "900000" : "-900000");
        assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_FAIL);
        assert_non_null(strstr(r.why, "flips"));
        cn_meter_battery.conclude(b, &c, remark, sizeof remark);
        assert_int_equal(c.info.ok, first < 0);
        cn_meter_battery.close(b);
        tree_remove(&t);
    }
}

/* A charger that comes while the battery goes on to discharge. */
static void test_weak_charger_while_it_runs(void **state)
{
    (void)state;
    struct tree t = tree_create();
    battery(&t, "BAT0", "Discharging");
    put(&t, "BAT0", "power_now", "8000000");
    put(&t, "ucsi", "type", "USB");
    put(&t, "ucsi", "online", "0");
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_channel c = { 0 };
    struct cn_opened opened;
    void *b = cn_meter_battery.open(&request, &c, &opened);
    struct cn_reading r;
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_OK);
    put(&t, "ucsi", "online", "1");
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_FAIL);
    assert_non_null(strstr(r.why, "ucsi is online"));
    put(&t, "ucsi", "online", "0");
    assert_int_equal(cn_meter_battery.read(b, 0, &r), CN_READ_OK);
    cn_meter_battery.close(b);
    tree_remove(&t);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 30 W for a third of a second or more, while what is left falls by `scale` times that, in steps of
 * 0.36 J. What the meter says of it at the end. */
static struct cn_channel drain(bool charge, double scale, char *remark)
{
    struct tree t = tree_create();
    char left[32];
    battery(&t, "BAT0", "Discharging");
    put(&t, "BAT0", "power_now", "30000000");
    if (charge) {
        put(&t, "BAT0", "current_now", "3000000");
        put(&t, "BAT0", "voltage_now", "10000000");
    }
    const char *file = charge ? "charge_now" : "energy_now";
    put(&t, "BAT0", file, "40000000");
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_channel c = { 0 };
    struct cn_opened opened = { 0 };
    void *state = cn_meter_battery.open(&request, &c, &opened);
    assert_non_null(state);
    int64_t start = now_ns();
    for (int i = 0; i < 300; i++) {
        int64_t ns = now_ns() - start;
        double uwh = floor(scale * 30e6 * 1e-9 * (double)ns / 3600 / 100) * 100;
        snprintf(left, sizeof left, "%.0f", 40e6 - (charge ? uwh / 10 : uwh));
        put(&t, "BAT0", file, left);
        struct cn_reading r = { .value = -1 };
        assert_int_equal(cn_meter_battery.read(state, 0, &r), CN_READ_OK);
        struct timespec wait = { 0, 1000000 };
        nanosleep(&wait, NULL);
    }
    remark[0] = 0;
    cn_meter_battery.conclude(state, &c, remark, 256);
    cn_meter_battery.close(state);
    tree_remove(&t);
    return c;
}

static void test_against_what_is_left(void **state)
{
    (void)state;
    char remark[256];
    struct cn_channel c = drain(false, 1, remark);
    assert_string_equal(remark, "");
    assert_non_null(strstr(c.info.sources, "energy_now fell by "));
    c = drain(true, 1, remark);
    assert_string_equal(remark, "");
    assert_non_null(strstr(c.info.sources, "charge_now fell by "));
    c = drain(false, 1.4, remark);
    print_message("%s\n", remark);
    assert_non_null(strstr(remark, "energy_now fell by "));
    assert_non_null(strstr(remark, "one of them is off"));
    c = drain(false, 0.01, remark); /* too few steps for a word */
    assert_string_equal(remark, "");
    c = drain(false, -1, remark); /* it fills */
    assert_string_equal(remark, "");
    assert_null(strstr(c.info.sources, "fell"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_now),
        cmocka_unit_test(test_current_units_and_signs),
        cmocka_unit_test(test_two_batteries_and_a_mouse),
        cmocka_unit_test(test_refuses_on_the_charger),
        cmocka_unit_test(test_plugged_in_while_it_runs),
        cmocka_unit_test(test_contradiction_of_units),
        cmocka_unit_test(test_absence_and_permission),
        cmocka_unit_test(test_against_what_is_left),
        cmocka_unit_test(test_voltage_units),
        cmocka_unit_test(test_no_value),
        cmocka_unit_test(test_what_is_a_battery_in_use),
        cmocka_unit_test(test_signs_that_flip),
        cmocka_unit_test(test_weak_charger_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

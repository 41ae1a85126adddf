/* SPDX-License-Identifier: MIT
 *
 * A phone's battery service, as a script of the tree that prints a file.
 */
#include "profiler/meters/meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

/* A dumpsys that says: these chargers, this status, current and voltage. */
__attribute__((format(printf, 2, 3))) static void say(const struct tree *t, const char *format, ...)
{
    char text[500], path[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tree_path(t, "said", path);
    tree_write(t, "said", "Current Battery Service state:\n%s", text);
    tree_write(t, "system/bin/dumpsys", "#!/bin/sh\n[ \"$1\" = battery ] && cat %s\n", path);
    tree_chmod(t, "system/bin/dumpsys", 0755);
}

static struct cn_channel probe(const struct tree *t, bool force)
{
    struct cn_meter_request request = { .root = t->root, .arg = "", .force = force };
    struct cn_channel_list list = { 0 };
    cn_meter_dumpsys.probe(&request, &list);
    assert_int_equal(list.n, 1);
    struct cn_channel c = list.items[0];
    free(list.items);
    return c;
}

static double watts(const struct tree *t, char why[200])
{
    struct cn_meter_request request = { .root = t->root, .arg = "", .force = true };
    struct cn_channel c = { 0 };
    struct cn_opened opened = { 0 };
    void *state = cn_meter_dumpsys.open(&request, &c, &opened);
    assert_non_null(state);
    struct cn_reading r = { .value = -1 };
    enum cn_read result = cn_meter_dumpsys.read(state, 0, &r);
    /* It is not asked again at once. */
    if (result == CN_READ_OK) {
        struct cn_reading again;
        assert_int_equal(cn_meter_dumpsys.read(state, 0, &again), CN_READ_SKIP);
    }
    cn_meter_dumpsys.close(state);
    memcpy(why, r.why, 200);
    return result == CN_READ_OK ? 1e-6 * r.value : (double)NAN;
}

#define OFF "  AC powered: false\n  USB powered: false\n  Wireless powered: false\n"

static void test_units_and_signs(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    static const struct {
        const char *current, *voltage, *taken;
    } same[] = {
        {"-412",     "4000",    "taken as mA, x voltage, taken as mV"},
        { "412000",  "4000",    "taken as uA, x voltage, taken as mV"},
        { "-412000", "4",       "taken as uA, x voltage, taken as V" },
        { "412",     "4000000", "taken as mA, x voltage, taken as uV"},
    };
    for (int i = 0; i < 4; i++) {
        say(&t, OFF "  status: 3\n  voltage: %s\n  temperature: 312\n  current now: %s\n",
            same[i].voltage, same[i].current);
        assert_true(fabs(watts(&t, why) - 0.412 * 4) < 1e-9);
        struct cn_channel c = probe(&t, false);
        assert_true(c.info.ok && c.automatic);
        assert_string_equal(c.info.boundary, "battery");
        assert_non_null(strstr(c.info.sources, same[i].taken));
    }
    tree_remove(&t);
}

static void test_chargers(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    say(&t, "  AC powered: false\n  USB powered: true\n  status: 3\n  voltage: 4000\n"
            "  current now: -412\n");
    assert_true(isnan(watts(&t, why)));
    assert_non_null(strstr(why, "beside a charger (USB is online)"));
    struct cn_channel c = probe(&t, false);
    assert_false(c.info.ok);
    assert_non_null(strstr(c.info.remedy, "Wi-Fi"));
    assert_true(probe(&t, true).info.ok);
    say(&t, OFF "  status: 4\n  voltage: 4000\n  current now: -412\n"); /* a status that sticks */
    assert_true(fabs(watts(&t, why) - 0.412 * 4) < 1e-9);
    say(&t, OFF "  status: 2\n  voltage: 4000\n  current now: 412\n");
    assert_true(isnan(watts(&t, why)));
    tree_remove(&t);
}

static void test_refusals(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    assert_non_null(strstr(probe(&t, false).info.reason, "this is no Android"));
    say(&t, OFF "  status: 3\n  voltage: 4000\n");
    struct cn_channel c = probe(&t, false);
    assert_false(c.info.ok);
    assert_non_null(strstr(c.info.reason, "tells no current"));
    assert_non_null(strstr(c.info.remedy, "an app"));
    say(&t, OFF "  status: 3\n  voltage: 4000\n  current now: -2147483648\n");
    assert_true(isnan(watts(&t, why)));
    assert_non_null(strstr(why, "does not know"));
    say(&t, OFF "  status: 3\n  voltage: 4000\n  current now: 0\n");
    assert_true(isnan(watts(&t, why)));
    tree_write(&t, "system/bin/dumpsys", "#!/bin/sh\nexit 20\n");
    assert_non_null(strstr(probe(&t, false).info.reason, "exit 20"));
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_and_signs),
        cmocka_unit_test(test_chargers),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

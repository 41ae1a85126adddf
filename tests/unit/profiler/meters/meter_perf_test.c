/* SPDX-License-Identifier: MIT
 *
 * Descriptions of the power PMU, sound and broken; what is counted is in traps_test.c.
 */
#include "profiler/meters/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

#define POWER "sys/bus/event_source/devices/power/"

static struct tree pmu(void)
{
    struct tree t = tree_create();
    tree_write(&t, POWER "type", "20\n");
    tree_write(&t, POWER "cpumask", "0\n");
    tree_write(&t, POWER "events/energy-pkg", "event=0x02\n");
    tree_write(&t, POWER "events/energy-pkg.scale", "2.3283064365386962e-10\n");
    tree_write(&t, POWER "events/energy-pkg.unit", "Joules\n");
    tree_write(&t, POWER "counts/energy-pkg.0", "1000\n");
    return t;
}

static struct cn_channel package(const struct tree *t)
{
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    struct cn_channel_list list = { 0 };
    cn_meter_perf.probe(&request, &list);
    assert_true(list.n >= 1);
    struct cn_channel c = list.items[0];
    free(list.items);
    return c;
}

static void test_channels(void **state)
{
    (void)state;
    struct tree t = pmu();
    static const char *const more[] = { "cores", "ram", "gpu", "psys" };
    for (int i = 0; i < 4; i++) {
        char file[128];
        snprintf(file, sizeof file, POWER "events/energy-%s", more[i]);
        tree_write(&t, file, "event=0x0%d\n", i + 3);
        snprintf(file, sizeof file, POWER "events/energy-%s.scale", more[i]);
        tree_write(&t, file, "6.103515625e-05\n");
        snprintf(file, sizeof file, POWER "counts/energy-%s.0", more[i]);
        tree_write(&t, file, "1\n");
    }
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_channel_list list = { 0 };
    cn_meter_perf.probe(&request, &list);
    assert_int_equal(list.n, 5);
    static const char *const boundaries[] = { "package", "psys", "dram", "core", "uncore" };
    for (size_t i = 0; i < 5; i++) {
        const struct cn_channel *c = &list.items[i];
        char name[32];
        snprintf(name, sizeof name, "perf:%s", boundaries[i]);
        assert_string_equal(c->info.name, name);
        assert_string_equal(c->info.boundary, boundaries[i]);
        assert_true(c->info.ok && c->info.counter && c->automatic == (i == 0));
    }
    free(list.items);
    tree_remove(&t);
}

static void test_broken_descriptions(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text, *why;
    } broken[] = {
        {"cpumask",                  "",                     "cpumask: not a list of CPUs"    },
        { "cpumask",                 "0-",                   "cpumask: not a list of CPUs"    },
        { "cpumask",                 "3-1",                  "cpumask: not a list of CPUs"    },
        { "cpumask",                 "0-4000000000",         "cpumask: not a list of CPUs"    },
        { "cpumask",                 "0 1",                  "cpumask: not a list of CPUs"    },
        { "cpumask",                 "99999999999999999999", "cpumask: not a list of CPUs"    },
        { "type",                    "power",                "type: not a number"             },
        { "events/energy-pkg",       "umask=0x02",           "expected event=0x"              },
        { "events/energy-pkg",       "event=0x02,umask=1",   "expected event=0x"              },
        { "events/energy-pkg.scale", "-1",                   "not what a count can be worth"  },
        { "events/energy-pkg.scale", "0",                    "not what a count can be worth"  },
        { "events/energy-pkg.scale", "nan",                  "not what a count can be worth"  },
        { "events/energy-pkg.scale", "1e300",                "not what a count can be worth"  },
        { "events/energy-pkg.scale", "1 J",                  "not what a count can be worth"  },
        { "events/energy-pkg.unit",  "mWh",                  "expected Joules, found mWh"     },
        { "cpumask",                 "7",                    "energy-pkg on CPU 7: found, but"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct tree t = pmu();
        char file[128];
        assert_true(package(&t).info.ok);
        snprintf(file, sizeof file, POWER "%s", broken[i].file);
        tree_write(&t, file, "%s\n", broken[i].text);
        struct cn_channel c = package(&t);
        if (c.info.ok || !strstr(c.info.reason, broken[i].why))
            fail_msg("%s \"%s\": %s", broken[i].file, broken[i].text, c.info.reason);
        tree_remove(&t);
    }
}

/* Whatever this machine has: an answer, and no crash. In most virtual machines it is a reason. */
static void test_the_running_system(void **state)
{
    (void)state;
    struct tree live = { "" };
    struct cn_channel c = package(&live);
    print_message("%s: %s\n", c.info.name, c.info.ok ? c.info.sources : c.info.reason);
    assert_true(c.info.ok || c.info.reason[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_broken_descriptions),
        cmocka_unit_test(test_the_running_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

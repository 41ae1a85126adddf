/* SPDX-License-Identifier: MIT
 *
 * RAPL trees of machines that other tools read wrongly, and what this one makes of them.
 */
#include "profiler/meters/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

#define RANGE 262143328850LL

/* A channel of the tree; reading sums its sources. */
struct opened {
    struct cn_channel channel;
    struct cn_opened about;
    void *state;
};

static struct opened open_channel(const struct tree *t, const char *name)
{
    struct opened o;
    const struct cn_meter *meter;
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    memset(&o, 0, sizeof o);
    assert_int_equal(cn_meters_pick(&request, name, &meter, &o.channel, NULL), 0);
    assert_ptr_equal(meter, &cn_meter_powercap);
    if (o.channel.info.ok)
        o.state = meter->open(&request, &o.channel, &o.about);
    return o;
}

static void close_channel(struct opened *o)
{
    if (o->state)
        cn_meter_powercap.close(o->state);
}

/* What all sources together have counted since opened; every read must be fine. */
static double total(struct opened *o)
{
    double sum = 0;
    for (unsigned i = 0; i < o->about.n_sources; i++) {
        struct cn_reading r;
        assert_int_equal(cn_meter_powercap.read(o->state, i, &r), CN_READ_OK);
        sum += r.value;
    }
    return sum;
}

static void set(const struct tree *t, const char *zone, long long uj)
{
    char file[128];
    snprintf(file, sizeof file, "sys/class/powercap/%s/energy_uj", zone);
    tree_write(t, file, "%lld\n", uj);
}

static void test_wrap_adds_what_was_left(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", RANGE - 1000000, RANGE);
    struct opened o = open_channel(&t, "powercap");
    assert_string_equal(o.channel.info.name, "powercap:package");
    assert_true(total(&o) == 0);
    set(&t, "intel-rapl:0", RANGE - 400000);
    assert_true(total(&o) == 600000);
    set(&t, "intel-rapl:0", 250000);
    assert_true(total(&o) == 1250000);
    /* And the file being shorter now leaves no digit of the long number. */
    set(&t, "intel-rapl:0", 250001);
    assert_true(total(&o) == 1250001);
    close_channel(&o);
    tree_remove(&t);
}

static void test_no_range_makes_a_wrap_unknown(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 5000000, 0);
    struct opened o = open_channel(&t, "powercap:package");
    assert_true(total(&o) == 0);
    set(&t, "intel-rapl:0", 6000000);
    assert_true(total(&o) == 1000000);
    set(&t, "intel-rapl:0", 1000);
    struct cn_reading r;
    assert_int_equal(cn_meter_powercap.read(o.state, 0, &r), CN_READ_BREAK);
    assert_non_null(strstr(r.why, "max_energy_range_uj"));
    assert_true(r.value == 1000000); /* not less, and nothing made up */
    set(&t, "intel-rapl:0", 3000);
    assert_true(total(&o) == 1002000);
    close_channel(&o);
    tree_remove(&t);
}

static void test_a_reset_is_not_a_wrap(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 100000000, RANGE);
    struct opened o = open_channel(&t, "powercap");
    assert_true(total(&o) == 0);
    set(&t, "intel-rapl:0", 0); /* as a wrap it would be 262 kJ within a moment */
    struct cn_reading r;
    assert_int_equal(cn_meter_powercap.read(o.state, 0, &r), CN_READ_BREAK);
    assert_non_null(strstr(r.why, "reset"));
    close_channel(&o);
    tree_remove(&t);
}

static void test_unreadable_says_why_and_what_to_do(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 5000000, RANGE);
    tree_chmod(&t, "sys/class/powercap/intel-rapl:0/energy_uj", 0);
    struct opened o = open_channel(&t, "powercap");
    assert_false(o.channel.info.ok);
    assert_non_null(strstr(o.channel.info.reason, "intel-rapl:0/energy_uj: permission denied"));
    assert_non_null(strstr(o.channel.info.reason, "CVE-2020-8694"));
    assert_non_null(strstr(o.channel.info.remedy, "root"));
    assert_non_null(strstr(o.channel.info.remedy, "sysfs.conf"));
    tree_remove(&t);
}

static void test_a_socket_that_cannot_be_read_spoils_the_sum(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 5000000, RANGE);
    tree_zone(&t, "intel-rapl:1", "package-1", 5000000, RANGE);
    tree_unlink(&t, "sys/class/powercap/intel-rapl:1/energy_uj");
    struct opened o = open_channel(&t, "powercap");
    assert_false(o.channel.info.ok);
    assert_non_null(strstr(o.channel.info.reason, "intel-rapl:1/energy_uj: no such file"));
    tree_remove(&t);
}

/* Core Ultra 7: psys holds package, package holds core and uncore. Their sum would be 14.44 W. */
static void test_nested_zones_are_not_added(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 0, RANGE);
    tree_zone(&t, "intel-rapl:0:0", "core", 0, RANGE);
    tree_zone(&t, "intel-rapl:0:1", "uncore", 0, RANGE);
    tree_zone(&t, "intel-rapl:1", "psys", 0, RANGE);
    static const struct {
        const char *name, *zone;
        double uj;
    } want[] = {
        {"powercap:package", "intel-rapl:0",   3780000},
        { "powercap:core",   "intel-rapl:0:0", 840000 },
        { "powercap:uncore", "intel-rapl:0:1", 210000 },
        { "powercap:psys",   "intel-rapl:1",   9610000}
    };
    struct opened o[4];
    for (int i = 0; i < 4; i++) {
        o[i] = open_channel(&t, want[i].name);
        assert_int_equal(o[i].about.n_sources, 1);
        assert_true(total(&o[i]) == 0);
    }
    for (int i = 0; i < 4; i++)
        set(&t, want[i].zone, (long long)want[i].uj);
    for (int i = 0; i < 4; i++) {
        assert_true(total(&o[i]) == want[i].uj);
        assert_string_equal(o[i].channel.info.boundary, want[i].name + strlen("powercap:"));
        close_channel(&o[i]);
    }
    /* The best there is: the package, not psys and not a sum. */
    struct opened best = open_channel(&t, NULL);
    assert_string_equal(best.channel.info.name, "powercap:package");
    close_channel(&best);
    tree_remove(&t);
}

static void test_two_sockets_with_dram(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 100, RANGE);
    tree_zone(&t, "intel-rapl:1", "package-1", 200, RANGE);
    tree_zone(&t, "intel-rapl:0:0", "dram", 300, RANGE);
    tree_zone(&t, "intel-rapl:1:0", "dram", 400, RANGE);
    struct opened package = open_channel(&t, "powercap:package");
    struct opened dram = open_channel(&t, "powercap:dram");
    assert_int_equal(package.about.n_sources, 2);
    assert_int_equal(dram.about.n_sources, 2); /* same name, other socket: both count */
    assert_true(total(&package) == 0 && total(&dram) == 0);
    set(&t, "intel-rapl:0", 1100);
    set(&t, "intel-rapl:1", 2200);
    set(&t, "intel-rapl:0:0", 310);
    set(&t, "intel-rapl:1:0", 420);
    assert_true(total(&package) == 3000);
    assert_true(total(&dram) == 30);
    close_channel(&package);
    close_channel(&dram);
    tree_remove(&t);
}

static void test_mmio_twin_is_left_out(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 7000000, RANGE);
    tree_zone(&t, "intel-rapl-mmio:0", "package-0", 123000000, RANGE);
    struct opened o = open_channel(&t, "powercap");
    assert_int_equal(o.about.n_sources, 1);
    assert_non_null(strstr(o.channel.info.sources, "intel-rapl-mmio:0 (package-0) left out"));
    assert_true(total(&o) == 0);
    set(&t, "intel-rapl:0", 8000000);
    set(&t, "intel-rapl-mmio:0", 124000000);
    assert_true(total(&o) == 1000000);
    close_channel(&o);
    tree_remove(&t);

    /* Alone it is as good as the other. */
    t = tree_create();
    tree_zone(&t, "intel-rapl-mmio:0", "package-0", 123000000, RANGE);
    o = open_channel(&t, "powercap");
    assert_int_equal(o.about.n_sources, 1);
    close_channel(&o);
    tree_remove(&t);
}

static void test_mirrored_dies_count_once_and_real_dies_each(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0-die-0", 71000000, RANGE);
    tree_zone(&t, "intel-rapl:1", "package-0-die-1", 71000040, RANGE);
    tree_zone(&t, "intel-rapl:2", "package-1-die-0", 71000000, RANGE);
    struct opened o = open_channel(&t, "powercap");
    assert_int_equal(o.about.n_sources, 2); /* a socket each, though they show the same */
    assert_non_null(strstr(o.channel.info.sources, "mirrors intel-rapl:0"));
    close_channel(&o);
    tree_remove(&t);

    t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0-die-0", 71000000, RANGE);
    tree_zone(&t, "intel-rapl:1", "package-0-die-1", 9000000, RANGE);
    o = open_channel(&t, "powercap");
    assert_int_equal(o.about.n_sources, 2);
    close_channel(&o);
    tree_remove(&t);
}

static void test_two_platforms_are_refused(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "psys", 1000000, RANGE);
    tree_zone(&t, "intel-rapl:1", "psys", 9000000, RANGE);
    struct opened o = open_channel(&t, "powercap:psys");
    assert_false(o.channel.info.ok);
    assert_non_null(strstr(o.channel.info.reason, "psys"));
    tree_remove(&t);
}

/* A copy of a tree may have the directories only where the kernel has them, not the links. */
static void test_directories_inside_each_other(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl/intel-rapl:0", "package-0", 5, RANGE);
    tree_zone(&t, "intel-rapl/intel-rapl:0/intel-rapl:0:0", "core", 5, RANGE);
    tree_zone(&t, "intel-rapl:0", "package-0", 5, RANGE); /* and once more, linked flat */
    struct opened o = open_channel(&t, "powercap:package");
    assert_int_equal(o.about.n_sources, 1);
    close_channel(&o);
    o = open_channel(&t, "powercap:core");
    assert_int_equal(o.about.n_sources, 1);
    close_channel(&o);
    tree_remove(&t);
}

static void test_absence_is_explained(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct opened o = open_channel(&t, "powercap");
    assert_false(o.channel.info.ok);
    assert_non_null(strstr(o.channel.info.reason, "/sys/class/powercap"));
    assert_true(o.channel.info.remedy[0] != 0);
    tree_write(&t, "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx2 hypervisor lahf_lm\n");
    o = open_channel(&t, "powercap");
    assert_non_null(strstr(o.channel.info.reason, "virtual machine"));
    tree_write(&t, "sys/class/powercap/dtpm/name", "dtpm\n");
    o = open_channel(&t, "powercap");
    assert_non_null(strstr(o.channel.info.reason, "no intel-rapl zone"));
    /* A channel that this machine lacks is unusable; a meter that nobody knows is an error. */
    tree_zone(&t, "intel-rapl:0", "package-0", 5, RANGE);
    o = open_channel(&t, "powercap:dram");
    assert_false(o.channel.info.ok);
    assert_non_null(strstr(o.channel.info.reason, "powercap:package"));
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    const struct cn_meter *meter;
    struct cn_profiler_error err;
    assert_int_equal(cn_meters_pick(&request, "powerkap", &meter, &o.channel, &err), -1);
    assert_non_null(strstr(err.text, "powerkap"));
    assert_non_null(strstr(err.text, "there are powercap, "));
    assert_non_null(strstr(err.text, "battery, "));
    tree_remove(&t);
}

static void test_odd_files(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_zone(&t, "intel-rapl:0", "package-0", 5000, RANGE);
    struct opened o = open_channel(&t, "powercap");
    assert_true(total(&o) == 0);
    struct cn_reading r;
    /* Caught while being rewritten: skipped; if it stays so, it failed. */
    tree_write(&t, "sys/class/powercap/intel-rapl:0/energy_uj", "%s", "");
    r.why[0] = 0;
    assert_int_equal(cn_meter_powercap.read(o.state, 0, &r), CN_READ_SKIP);
    int n = 1;
    while (cn_meter_powercap.read(o.state, 0, &r) == CN_READ_SKIP && n < 100)
        n++;
    assert_true(n < 100);
    assert_non_null(strstr(r.why, "energy_uj: empty"));
    set(&t, "intel-rapl:0", 6000);
    assert_true(total(&o) == 1000);
    /* Another file renamed over it. */
    char from[1024], to[1024];
    tree_write(&t, "new", "7000\n");
    tree_path(&t, "new", from);
    tree_path(&t, "sys/class/powercap/intel-rapl:0/energy_uj", to);
    assert_int_equal(rename(from, to), 0);
    assert_true(total(&o) == 2000);
    tree_write(&t, "sys/class/powercap/intel-rapl:0/energy_uj", "12 apples\n");
    assert_int_equal(cn_meter_powercap.read(o.state, 0, &r), CN_READ_SKIP);
    close_channel(&o);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrap_adds_what_was_left),
        cmocka_unit_test(test_no_range_makes_a_wrap_unknown),
        cmocka_unit_test(test_a_reset_is_not_a_wrap),
        cmocka_unit_test(test_unreadable_says_why_and_what_to_do),
        cmocka_unit_test(test_a_socket_that_cannot_be_read_spoils_the_sum),
        cmocka_unit_test(test_nested_zones_are_not_added),
        cmocka_unit_test(test_two_sockets_with_dram),
        cmocka_unit_test(test_mmio_twin_is_left_out),
        cmocka_unit_test(test_mirrored_dies_count_once_and_real_dies_each),
        cmocka_unit_test(test_two_platforms_are_refused),
        cmocka_unit_test(test_directories_inside_each_other),
        cmocka_unit_test(test_absence_is_explained),
        cmocka_unit_test(test_odd_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

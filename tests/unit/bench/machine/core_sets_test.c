/* SPDX-License-Identifier: MIT */
#include "bench/machine/core_sets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static void write_cpu(const struct tree *t, int cpu, const char *siblings, long khz)
{
    char file[128];
    snprintf(file, sizeof file, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    tree_write(t, file, "%s\n", siblings);
    snprintf(file, sizeof file, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
    if (khz)
        tree_write(t, file, "%ld\n", khz);
}

static void test_nothing_known(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_core_set sets[CN_CORE_SETS];
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    assert_int_equal(cn_core_sets(t.root, sets), 1);
    assert_string_equal(sets[0].name, "all");
    assert_int_equal(sets[0].n, CPU_COUNT(&mine));
    assert_true(CPU_EQUAL(&sets[0].cpus, &mine));
    assert_true(sets[0].list[0]);
    tree_remove(&t);
}

/* The first two CPUs of this process as two threads of one core, then as cores of two kinds. */
static void test_siblings_and_kinds(void **state)
{
    (void)state;
    cpu_set_t mine;
    int cpus[2], n = 0;
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
        if (CPU_ISSET(cpu, &mine))
            cpus[n++] = cpu;
    if (n < 2) {
        print_message("SKIPPED: this process has but one CPU\n");
        skip();
    }
    struct tree t = tree_create();
    struct cn_core_set sets[CN_CORE_SETS];
    char siblings[32], first[16];
    snprintf(siblings, sizeof siblings, "%d,%d", cpus[0], cpus[1]);
    snprintf(first, sizeof first, "%d", cpus[0]);
    write_cpu(&t, cpus[0], siblings, 0);
    write_cpu(&t, cpus[1], siblings, 0);
    assert_int_equal(cn_core_sets(t.root, sets), 2);
    assert_string_equal(sets[1].name, "one per core");
    assert_int_equal(sets[1].n, sets[0].n - 1);
    assert_true(CPU_ISSET(cpus[0], &sets[1].cpus) && !CPU_ISSET(cpus[1], &sets[1].cpus));

    snprintf(siblings, sizeof siblings, "%d", cpus[1]);
    write_cpu(&t, cpus[0], first, 1800000);
    write_cpu(&t, cpus[1], siblings, 2800000);
    assert_int_equal(cn_core_sets(t.root, sets), 3);
    assert_string_equal(sets[1].name, "2.80 GHz");
    assert_string_equal(sets[1].list, siblings);
    assert_string_equal(sets[2].name, "1.80 GHz");
    assert_true(CPU_ISSET(cpus[0], &sets[2].cpus) && sets[2].n == 1);

    /* Not a number: not known. */
    write_cpu(&t, cpus[0], "hello", 1800000);
    char file[128];
    snprintf(file, sizeof file, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpus[1]);
    tree_write(&t, file, "x\n");
    assert_int_equal(cn_core_sets(t.root, sets), 2);
    assert_string_equal(sets[1].name, "1.80 GHz");
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_siblings_and_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

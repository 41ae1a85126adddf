/* SPDX-License-Identifier: MIT
 *
 * How sensors of hwmon are named, bounded and timed; what they read is in traps_test.c.
 */
#include "profiler/meters/meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

#define HWMON "sys/class/hwmon/hwmon"

static struct cn_channel_list probe(const struct tree *t)
{
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    struct cn_channel_list list = { 0 };
    cn_meter_hwmon.probe(&request, &list);
    assert_true(list.n > 0);
    return list;
}

static const struct cn_channel *find(const struct cn_channel_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->items[i].info.name, name))
            return &list->items[i];
    for (size_t i = 0; i < list->n; i++)
        print_error("there is %s\n", list->items[i].info.name);
    fail_msg("no %s", name);
    return NULL;
}

static void test_names_and_boundaries(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_write(&t, HWMON "0/name", "amdgpu\n");
    tree_write(&t, HWMON "0/power1_average", "9000000\n");
    tree_write(&t, HWMON "0/power1_label", "PPT\n");
    tree_write(&t, HWMON "1/name", "ina3221\n");
    tree_write(&t, HWMON "1/update_interval", "42\n");
    for (int i = 1; i <= 3; i++) {
        static const char *const labels[] = { "VDD_GPU", "VDD_IN", "NC" };
        char file[64];
        snprintf(file, sizeof file, HWMON "1/in%d_label", i);
        tree_write(&t, file, "%s\n", labels[i - 1]);
        snprintf(file, sizeof file, HWMON "1/in%d_input", i);
        tree_write(&t, file, "5000\n");
        snprintf(file, sizeof file, HWMON "1/curr%d_input", i);
        tree_write(&t, file, "%d\n", i == 1 ? -3 : 1000);
    }
    /* Currents that belong to no voltage, and a label that would break a list of meters. */
    tree_write(&t, HWMON "2/name", "some chip\n");
    tree_write(&t, HWMON "2/curr1_input", "1000\n");
    tree_write(&t, HWMON "2/in1_input", "12000\n");
    tree_write(&t, HWMON "2/power4_input", "1\n");
    tree_write(&t, HWMON "2/power4_label", "a,b:c\n");
    tree_write(&t, HWMON "2/power5_input_lowest", "1\n");
    tree_write(&t, HWMON "3/temp1_input", "40000\n"); /* and no name */
    struct cn_channel_list list = probe(&t);
    assert_int_equal(list.n, 4);
    assert_string_equal(list.items[0].info.name, "hwmon:ina3221:VDD_IN"); /* the whole first */
    const struct cn_channel *c = &list.items[0];
    assert_true(c->automatic && c->info.ok && !c->info.counter && !c->info.modelled);
    assert_string_equal(c->info.boundary, "board");
    assert_string_equal(c->info.unit, "uW");
    assert_true(c->info.period_ms == 42);
    c = find(&list, "hwmon:ina3221:VDD_GPU");
    assert_false(c->automatic);
    assert_string_equal(c->info.boundary, "rail VDD_GPU");
    c = find(&list, "hwmon:amdgpu:PPT");
    assert_true(c->info.ok && !c->automatic && c->info.period_ms == 1000);
    c = find(&list, "hwmon:some_chip:a_b_c");
    assert_true(c->info.ok && !c->automatic);
    /* A rail that feeds nothing reads a little below 0: that is not known to be 0. */
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_channel gpu = *find(&list, "hwmon:ina3221:VDD_GPU");
    struct cn_opened about = { 0 };
    void *opened = cn_meter_hwmon.open(&request, &gpu, &about);
    assert_non_null(opened);
    struct cn_reading r = { .value = -1 };
    assert_int_equal(cn_meter_hwmon.read(opened, 0, &r), CN_READ_FAIL);
    assert_non_null(strstr(r.why, "curr1_input of ina3221 is below 0"));
    tree_write(&t, HWMON "1/curr1_input", "%d\n", 250);
    assert_int_equal(cn_meter_hwmon.read(opened, 0, &r), CN_READ_OK);
    assert_true(fabs(r.value - 1.25e6) < 1e-6);
    tree_unlink(&t, HWMON "1/in1_input"); /* unplugged; a new one is not there yet */
    assert_int_equal(cn_meter_hwmon.read(opened, 0, &r), CN_READ_FAIL);
    assert_non_null(strstr(r.why, "curr1_input of ina3221: no such file"));
    cn_meter_hwmon.close(opened);
    free(list.items);
    tree_remove(&t);
}

static double watts_of(const struct tree *t, const char *name, char why[200])
{
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    struct cn_channel_list list = probe(t);
    struct cn_channel c = *find(&list, name);
    struct cn_opened about = { 0 };
    void *opened = cn_meter_hwmon.open(&request, &c, &about);
    assert_non_null(opened);
    struct cn_reading r = { .value = -1 };
    enum cn_read result = cn_meter_hwmon.read(opened, 0, &r);
    cn_meter_hwmon.close(opened);
    free(list.items);
    memcpy(why, r.why, 200);
    return result == CN_READ_OK ? 1e-6 * r.value : (double)NAN;
}

/* What is known to be the whole, by chip and label, is taken unasked; its parts are not. */
static void test_wholes(void **state)
{
    (void)state;
    struct tree t = tree_create();
    tree_write(&t, HWMON "0/name", "macsmc_hwmon\n");
    tree_write(&t, HWMON "0/power1_label", "AC Input Power\n");
    tree_write(&t, HWMON "0/power1_input", "0\n");
    tree_write(&t, HWMON "0/power2_label", "Total System Power\n");
    tree_write(&t, HWMON "0/power2_input", "9000000\n");
    tree_write(&t, HWMON "1/name", "fam15h_power\n");
    tree_write(&t, HWMON "1/power1_input", "30000000\n");
    tree_write(&t, HWMON "2/name", "nct6775\n");
    tree_write(&t, HWMON "2/power1_label", "System\n");
    tree_write(&t, HWMON "2/power1_input", "1\n");
    struct cn_channel_list list = probe(&t);
    const struct cn_channel *c = find(&list, "hwmon:macsmc_hwmon:Total_System_Power");
    assert_true(c->automatic);
    assert_string_equal(c->info.boundary, "system");
    c = find(&list, "hwmon:fam15h_power:power1");
    assert_true(c->automatic);
    assert_string_equal(c->info.boundary, "package");
    assert_false(find(&list, "hwmon:macsmc_hwmon:AC_Input_Power")->automatic);
    assert_false(find(&list, "hwmon:nct6775:System")->automatic);
    free(list.items);
    tree_remove(&t);
}

/* 0xffffffff mW is how an ACPI meter says that it does not know. */
static void test_no_value(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char why[200];
    tree_write(&t, HWMON "0/name", "power_meter\n");
    tree_write(&t, HWMON "0/power1_average", "200000000\n");
    assert_true(fabs(watts_of(&t, "hwmon:power_meter:power1", why) - 200) < 1e-9);
    tree_write(&t, HWMON "0/power1_average", "4294967295000\n");
    assert_true(isnan(watts_of(&t, "hwmon:power_meter:power1", why)));
    assert_non_null(strstr(why, "does not know"));
    tree_write(&t, HWMON "0/power1_average", "20001000000\n");
    assert_true(isnan(watts_of(&t, "hwmon:power_meter:power1", why)));
    assert_non_null(strstr(why, "20 kW"));
    tree_remove(&t);
}

static void test_absence(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_channel_list list = probe(&t);
    assert_int_equal(list.n, 1);
    assert_false(list.items[0].info.ok);
    assert_non_null(strstr(list.items[0].info.reason, "/sys/class/hwmon: no such file"));
    assert_true(list.items[0].info.remedy[0] != 0);
    free(list.items);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_boundaries),
        cmocka_unit_test(test_wholes),
        cmocka_unit_test(test_no_value),
        cmocka_unit_test(test_absence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * energy_value files of phones that are odd; those that are in order are in traps_test.c.
 */
#include "profiler/meters/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

#define VALUE "sys/bus/iio/devices/iio:device0/energy_value"

static struct cn_channel_list probe(const struct tree *t)
{
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    struct cn_channel_list list = { 0 };
    cn_meter_iio.probe(&request, &list);
    assert_true(list.n > 0);
    return list;
}

static void test_odd_lines(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "t=5\n",
        "CH0(T=1)[VSYS_A] 5\n",
        "CH0(T=1)[VSYS_A, 5\n",
        "CH0(T=1)[], 5\n",
        "CH0(T=1)[VSYS_A], -5\n",
        "CH0(T=1)[VSYS_A], 5x\n",
        "CH0(T=1)[VSYS_A], 18446744073709551615\n",
        "CH0(T=1)[A_NAME_LONGER_THAN_ANY_RAIL_WAS_EVER_SEEN_TO_HAVE_X], 5\n",
        "t=5 6\nCH0(T=1)[VSYS_A], 5\n",
        "t=1\n, 5\n"
    };
    struct tree t = tree_create();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        tree_write(&t, VALUE, "%s", refused[i]);
        struct cn_channel_list list = probe(&t);
        if (list.n != 1 || list.items[0].info.ok)
            fail_msg("taken: %s", refused[i]);
        assert_non_null(strstr(list.items[0].info.reason, "iio:device0/energy_value: "));
        free(list.items);
    }
    /* More rails than any chip has, and a file that is too long. */
    for (int n = 33; n <= 400; n += 367) {
        char text[16384];
        size_t used = 0;
        for (int i = 0; i < n; i++)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, "CH%d(T=1)[VSYS_%d], 5\n", i, i);
        tree_write(&t, VALUE, "%s", text);
        struct cn_channel_list list = probe(&t);
        assert_false(list.items[0].info.ok);
        free(list.items);
    }
    tree_remove(&t);
}

static void test_channels(void **state)
{
    (void)state;
    struct tree t = tree_create();
    /* One rail that only the name of a channel could break, and nothing that can be added. */
    tree_write(&t, VALUE, "t=12,\r\nCH0(T=1)[odd rail,1], 5\r\n\r\nCH1(T=1)[L9S_GNSS_CORE], 6\r\n");
    struct cn_channel_list list = probe(&t);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[0].info.name, "iio:odd_rail_1");
    assert_string_equal(list.items[0].info.boundary, "rail odd_rail_1");
    assert_string_equal(list.items[1].info.name, "iio:L9S_GNSS_CORE");
    for (size_t i = 0; i < 2; i++)
        assert_true(list.items[i].info.ok && list.items[i].info.counter &&
                    !list.items[i].automatic);
    free(list.items);
    tree_write(&t, VALUE, "t=12\nCH0(T=1)[VSYS_PWR_DISPLAY], 5\n");
    list = probe(&t);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[0].info.name, "iio:rails");
    assert_true(list.items[0].automatic);
    free(list.items);
    tree_unlink(&t, VALUE);
    list = probe(&t);
    assert_non_null(strstr(list.items[0].info.reason, "no device in"));
    free(list.items);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_lines),
        cmocka_unit_test(test_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

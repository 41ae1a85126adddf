/* SPDX-License-Identifier: MIT
 *
 * The firmware's tool of a Raspberry Pi 5 when it misbehaves; its two forms are in traps_test.c.
 */
#include "profiler/meters/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

#define VCGENCMD "usr/bin/vcgencmd"
#define RAILS \
    "3V7_WL_SW 3V3_SYS 1V8_SYS DDR_VDD2 DDR_VDDQ 1V1_SYS 0V8_SW VDD_CORE 3V3_DAC 3V3_ADC 0V8_AON"

static void script(const struct tree *t, const char *hdmi_a)
{
    tree_write(
        t, VCGENCMD,
        "#!/bin/sh\n[ \"$1\" = pmic_read_adc ] || exit 9\necho x >>%s/calls\nfor r in " RAILS
        "; do\necho \"  ${r}_A current(0)=0.5A\"; echo \"  ${r}_V volt(1)=2.0V\"\ndone\n%s\necho "
        "'HDMI_V volt(23)=5V'\n",
        t->root, hdmi_a);
    tree_chmod(t, VCGENCMD, 0755);
}

static struct cn_channel first(const struct tree *t)
{
    struct cn_meter_request request = { .root = t->root, .arg = "" };
    struct cn_channel_list list = { 0 };
    cn_meter_pmic.probe(&request, &list);
    assert_true(list.n >= 1);
    struct cn_channel c = list.items[0];
    free(list.items);
    return c;
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why; /* why: NULL if it is fine */
    } lines[] = {
        {"echo 'HDMI_A current(22)=0.1A'",        NULL                          },
        { "echo 'HDMI_A = 100 mA'",               NULL                          },
        { "echo 'HDMI_A current(22)=0.1V'",       "expected one value of HDMI_A"},
        { "echo 'HDMI_A current(22)=A'",          "expected one value of HDMI_A"},
        { "echo 'HDMI_A current(22)=inf'",        "expected one value of HDMI_A"},
        { "echo 'HDMI_A current(22)'",            "expected one value of HDMI_A"},
        { "echo 'HDMI_A=0.1'; echo 'HDMI_A=0.2'", "expected one value of HDMI_A"},
        { "echo 'HDMI_AB=0.1'",                   "gave no amperes of HDMI"     },
        { "true",                                 "gave no amperes of HDMI"     },
    };
    struct tree t = tree_create();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        script(&t, lines[i].line);
        struct cn_channel c = first(&t);
        if (c.info.ok != !lines[i].why || (lines[i].why && !strstr(c.info.reason, lines[i].why)))
            fail_msg("%s: %s", lines[i].line, c.info.reason);
    }
    tree_remove(&t);
}

/* Asked far more often than it should start a process. */
static void test_not_too_often(void **state)
{
    (void)state;
    struct tree t = tree_create();
    script(&t, "echo HDMI_A=0.1");
    struct cn_channel c = first(&t);
    assert_true(c.info.ok && c.automatic && !c.info.modelled);
    struct cn_meter_request request = { .root = t.root, .arg = "" };
    struct cn_opened about = { 0 };
    void *opened = cn_meter_pmic.open(&request, &c, &about);
    assert_non_null(opened);
    tree_unlink(&t, "calls");
    struct cn_reading r;
    int n = 0;
    struct timespec nap = { 0, 10000000 };
    for (int i = 0; i < 60; i++) {
        enum cn_read result = cn_meter_pmic.read(opened, 0, &r);
        assert_true(result == CN_READ_OK || result == CN_READ_SKIP);
        if (result == CN_READ_OK) {
            assert_true(r.value > 11.49e6 && r.value < 11.51e6);
            n++;
        }
        nanosleep(&nap, NULL);
    }
    struct stat st;
    char path[1024];
    tree_path(&t, "calls", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 2 * n);
    assert_true(n >= 2);
    /* And then it hangs, for which the meter does not wait for ever. */
    tree_write(&t, VCGENCMD, "#!/bin/sh\nsleep 60\n");
    nap.tv_nsec = 250000000;
    nanosleep(&nap, NULL);
    assert_int_equal(cn_meter_pmic.read(opened, 0, &r), CN_READ_FAIL);
    assert_non_null(strstr(r.why, "no answer in 2 s"));
    cn_meter_pmic.close(opened);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_not_too_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

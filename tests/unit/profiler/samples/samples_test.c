/* SPDX-License-Identifier: MIT */
#include "profiler/samples/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static struct cn_samples load(const char *text)
{
    struct tree t = tree_create();
    char path[1024];
    tree_write(&t, "s", "%s", text);
    tree_path(&t, "s", path);
    struct cn_samples s;
    struct cn_profiler_error err = { "" };
    if (cn_samples_load(path, &s, &err) != 0)
        fail_msg("%s", err.text);
    tree_remove(&t);
    return s;
}

static void refused(const char *text, const char *why)
{
    struct tree t = tree_create();
    char path[1024];
    tree_write(&t, "s", "%s", text);
    tree_path(&t, "s", path);
    struct cn_samples s;
    struct cn_profiler_error err = { "" };
    assert_int_equal(cn_samples_load(path, &s, &err), -1);
    if (!strstr(err.text, why))
        fail_msg("expected \"%s\", found \"%s\"", why, err.text);
    tree_remove(&t);
}

/* Each of these says 5 W, then 6 W, at 1 s and 1.5 s. */
static void test_forms_of_power(void **state)
{
    (void)state;
    static const char *const same[] = {
        "1,5\n1.5,6\n",
        "# a comment\n\n1.0;5.0;7\n1.5;6e0;8\n",
        "t_ms,power_mw\n1000,5000\n1500,6000\n",
        "power_uw , time_ns\n5000000,1000000000\r\n6000000,1500000000\r\n",
        "\"label\",\"timestamp_us\",\"Watts\"\nx,1000000,5\ny,1500000,6\n",
        "label,time_s,watts\n\"x, y; z\",1,5\n,1.5,6\n",
        "time_s;power_w\n1,0;5,00\n1,50;6\n",
        "time_s;power (W, mean);power_w\n1;0;5,0\r\n1.5;0;6.0\r\n",
        "time_s\tpower_mw\n1,0\t5000,0\n1,5\t6000\n",
        "note\ttime_s\tpower_w\n\t1\t5\n\t1.5\t6\n",
        "1,0;5,0\n1,5;6,0\n",
        "\xef\xbb\xbftime_s,power_w\n1,5\n1.5,6\n",
        "\xef\xbb\xbf{\"t_ms\":1000,\"power_w\":5}\n{\"t_ms\":1500,\"power_w\":6}\n",
        "t_s\tcurrent_ma\tvoltage_v\n1\t-1000\t5\n1.5\t-1200\t5\n",
        "{\"t_ms\":1000,\"power_w\":5}\n{\"power_w\":6.0,\"note\":\"x\",\"t_ms\":1500}\n",
        ("{\"t_ns\":1000000000,\"current_ua\":1000000,\"voltage_mv\":5000}\n"
         "{\"t_ns\":1500000000,\"current_ua\":1200000,\"voltage_mv\":5000}\n"),
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct cn_samples s = load(same[i]);
        assert_false(s.series.counter);
        assert_int_equal(s.series.n, 2);
        assert_int_equal(s.first_ns, 1000000000);
        assert_int_equal(s.last_ns, 1500000000);
        assert_true(s.series.points[0].value == 5e6);
        assert_true(s.series.points[1].value == 6e6);
        cn_samples_free(&s);
    }
}

static void test_time_without_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } stamps[] = {
        {"1700000000.5",         1700000000500000000},
        { "1700000000500",       1700000000500000000},
        { "1700000000500123",    1700000000500123000},
        { "1700000000500123457", 1700000000500123457}
    };
    for (int i = 0; i < 4; i++) {
        char text[128];
        snprintf(text, sizeof text, "timestamp,w\n%s,5\n", stamps[i].text);
        struct cn_samples s = load(text);
        assert_true(llabs(s.first_ns - stamps[i].ns) < 1000);
        if (i == 3)
            assert_int_equal(s.first_ns, stamps[i].ns); /* to the nanosecond */
        cn_samples_free(&s);
    }
}

static void test_energy_counts_on_after_a_reset(void **state)
{
    (void)state;
    struct cn_samples s = load("t_ms,energy_j\n0,100\n10,101\n20,0.5\n30,1.5\n");
    assert_true(s.series.counter);
    assert_int_equal(s.series.n, 4);
    assert_true(s.series.points[2].broken);
    assert_true(s.series.points[2].value >= s.series.points[1].value);
    assert_true(s.series.points[3].value - s.series.points[2].value == 1e6);
    cn_samples_free(&s);
}

static void test_holes_are_breaks(void **state)
{
    (void)state;
    struct cn_samples s = load("t_ms,power_w\n0,5\n10,\n20,nan\n30,5\n");
    assert_int_equal(s.series.n, 2);
    assert_true(s.series.points[1].broken);
    cn_samples_free(&s);
    s = load("{\"t_ms\":0,\"power_w\":5}\n{\"t_ms\":10,\"power_w\":null}\n"
             "{\"t_ms\":20,\"power_w\":6}\n");
    assert_true(s.series.points[1].broken);
    cn_samples_free(&s);
}

static void test_logcat(void **state)
{
    (void)state;
    struct cn_samples s =
        load("--------- beginning of main\n"
             "11-20 22:10:01.000  1234  1300 D BatteryMgr:DataCollectionService: stats => "
             "1700000000000,-2000000,4000,93,301\n"
             "11-20 22:10:01.050 I Other: noise\n"
             "... stats => 1700000000100,-2500000,4000,93,301\n"
             "... stats => 1700000000200,100000,4000,93,301\n");
    assert_int_equal(s.series.n, 2);
    assert_int_equal(s.first_ns, 1700000000000000000);
    assert_true(s.series.points[0].value == 8e6);
    assert_true(s.series.points[1].value == 10e6);
    assert_true(s.series.pending_break); /* the last one was charging */
    assert_string_equal(s.note, "samples of the other sign left out as charging");
    cn_samples_free(&s);
    s = load(
        "stats => 1700000000000,-2000,4000,93,301\nstats => 1700000000100,-2500,4000,93,301\n");
    assert_true(s.series.points[0].value == 8e6);
    assert_non_null(strstr(s.note, "mA"));
    cn_samples_free(&s);
}

/* What flows the other way is no consumption. */
static void test_signs(void **state)
{
    (void)state;
    struct cn_samples s = load("t_s,power_w\n0,5\n1,-3\n2,6\n");
    assert_int_equal(s.series.n, 2);
    assert_true(s.series.points[1].broken);
    assert_string_equal(s.note, "samples below 0 W left out: no consumption");
    assert_string_equal(s.left_out, s.note);
    cn_samples_free(&s);
    s = load("t_s,current_ma,voltage_v\n0,-1000,5\n1,300,5\n2,-1200,5\n3,nan,5\n");
    assert_int_equal(s.series.n, 2);
    assert_true(s.series.points[1].broken);
    assert_string_equal(s.note, "samples of the other sign left out as charging");
    assert_string_equal(s.left_out, ""); /* for there is another hole */
    cn_samples_free(&s);
    s = load("t_s,power_w,energy_j\n0,-5,-5\n1,-5,0\n"); /* a counter may begin anywhere */
    assert_int_equal(s.series.n, 2);
    assert_string_equal(s.note, "");
    cn_samples_free(&s);
    refused("t_s,power_w\n0,-3\n1,-3\n2,\n",
            "s: expected power above 0, which is consumed, found only samples below");
}

static void test_bad_files(void **state)
{
    (void)state;
    refused("", "no samples");
    refused("t_ms,power_w\n", "no samples");
    refused("colour,taste\n1,2\n", "line 1: expected a header");
    refused("t_ms,power_w\n10,5\n5,5\n", "line 3: time goes back");
    refused("t_ns,power_w\n-2666666666616666666,5\n6666616666666666666,5\n",
            "line 3: expected a time, found none in range");
    refused("t_ms,power_w\n10,five\n", "line 2: expected a number in column 2, found \"five\"");
    refused("t_ms,power_w\n10,inf\n", "line 2");
    refused("t_s,power_w\n1,5\n97,0,3,00\n",
            "line 3: expected 2 fields as in the first line, found 4");
    refused("t_s,power_w\n1;5\n", "line 2: expected 2 fields as in the first line, found 1");
    refused("t_s;power_w\n1\n", "line 2: expected 2 fields as in the first line, found 1");
    refused("1,5\n2,5,7\n", "line 2: expected 2 fields as in the first line, found 3");
    refused("t_s;power_w\n1;1.234,5\n", "found \"1.234,5\"");
    refused("t_s;power_w\n1;1,234,5\n", "found \"1,234,5\"");
    refused("t_ms,power_w\n1e300,5\n", "line 2: expected a time");
    refused("t_ms,power_w\n,5\n", "line 2: expected a time");
    refused("{\"t_ms\":10}\n", "line 1: expected power");
    refused("{\"power_w\":10}\n", "line 1: expected a time");
    refused("{\"t_ms\":1,\"power_w\":1}\n{\"t_ms\":2,\"energy_j\":1}\n", "line 2: expected power");
    refused("{\"t_ms\":10,\n", "line 1");
    refused("stats => once upon a time\n", "line 1: expected stats");
    struct cn_samples s;
    struct cn_profiler_error err;
    assert_int_equal(cn_samples_load("/nonexistent/file", &s, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/file: No such file"));
    char *longest = malloc(200001);
    assert_non_null(longest);
    memset(longest, '1', 200000);
    longest[200000] = 0;
    refused(longest, "line 1: longer than");
    free(longest);
}

static void test_join_finds_the_clock(void **state)
{
    (void)state;
    struct cn_clock clock = { .realtime_offset_ns = 1699999000000000000,
                              .boottime_offset_ns = 500000000000 };
    int64_t t0 = 1000000000000, t1 = 1010000000000; /* from 1000 s to 1010 s */
    struct cn_samples s = load("1700000000,5\n1700000005,5.5\n1700000010,6\n");
    assert_true(cn_samples_join(&s, &clock, t0, t1, 0));
    assert_int_equal(s.first_ns, t0);
    assert_int_equal(s.series.points[2].hi_ns, t1);
    cn_samples_free(&s);
    s = load("t_s,power_w\n1500,5\n1505,5.5\n1510,6\n"); /* boot time */
    assert_true(cn_samples_join(&s, &clock, t0, t1, 0));
    assert_int_equal(s.first_ns, t0);
    cn_samples_free(&s);
    s = load("t_s,power_w\n1000,5\n1005,5.5\n1010,6\n"); /* monotonic */
    assert_true(cn_samples_join(&s, &clock, t0, t1, 0));
    assert_int_equal(s.first_ns, t0);
    cn_samples_free(&s);
    s = load("t_s,power_w\n0,5\n5,5.5\n10,6\n");
    assert_false(cn_samples_join(&s, &clock, t0, t1, 0));
    assert_int_equal(s.first_ns, 0);
    assert_true(cn_samples_join(&s, &clock, t0, t1, 1000000000000)); /* told how far off */
    assert_int_equal(s.first_ns, t0);
    cn_samples_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_of_power),
        cmocka_unit_test(test_time_without_unit),
        cmocka_unit_test(test_energy_counts_on_after_a_reset),
        cmocka_unit_test(test_holes_are_breaks),
        cmocka_unit_test(test_logcat),
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_join_finds_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    if (cn_samples_load(path, NULL, &s, &err) != 0)
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
    assert_int_equal(cn_samples_load(path, NULL, &s, &err), -1);
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
        "# a comment\n\n1.0;5.0\n1.5;6e0\n",
        "#time(s),current(A),voltage(V),power(W)\n1,1,5,5\n1.5,1.2,5,6\n",
        ("# started at noon\n"
         "Time (s),Main Avg Current (mA),Main Avg Voltage (V),Main Avg Power (mW)\n"
         "1,1000,5,5000\n1.5,1200,5,6000\n"),
        "Timestamp,Main current (A),Main voltage (V)\n1,1,5\n1.5,1.2,5\n",
        "t[s],current[A],voltage[V],note[x]\n1,1,5,7\n1.5,1.2,5,8\n",
        ("Time (ms),Bus Voltage (V),Shunt Voltage (mV),Current (mA)\n"
         "1000,5,1,1000\n1500,5,1,1200\n"),
        "Time_Of_Day_Seconds\tPkgWatt\tCorWatt\n1\t5\t1\n1.5\t6\t1\n",
        "1970-01-01T00:00:01Z,5\n1970-01-01T01:00:01.5+01:00,6\n",
        "time;power_w\n1970-01-01 00:00:01.000Z;5\n1970-01-01T00:00:01,500Z;6\n",
        "t_s,Power (\xc2\xb5W)\n1,5000000\n1.5,6000000\n",
        ("{\"t_s\":1,\"current\":-1000000,\"voltage\":5000}\n"
         "{\"t_s\":1.5,\"current\":-1200000,\"voltage\":5000}\n"),
        "t_s,power_w,energy\n1,5,0\n1.5,6,0\n",
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
    s = load("t_s,energy_j\n0,-5\n1,0\n"); /* a counter may begin anywhere */
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
    refused("time,power_w\n2025-02-30T10:00:00Z,5\n", "found \"2025-02-30T10:00:00Z\"");
    refused("time,power_w\n2025-02-03T10:00:00+25:00,5\n", "expected a number in column 1");
    refused("t_s,power_w\n1,5\n97,0,3,00\n",
            "line 3: expected 2 fields as in the first line, found 4");
    refused("t_s,power_w\n1;5\n", "line 2: expected 2 fields as in the first line, found 1");
    refused("t_s;power_w\n1\n", "line 2: expected 2 fields as in the first line, found 1");
    refused("1,5\n2,5,7\n", "line 2: expected 2 fields as in the first line, found 3");
    refused("1,5,0.8\n2,5,0.8\n", "line 1: 3 columns without a header");
    refused("\xff\xfet", "UTF-16"); /* of text, the rest are zeros */
    refused("t_s;power_w\n1;1.234,5\n", "found \"1.234,5\"");
    refused("t_s;power_w\n1;1,234,5\n", "found \"1,234,5\"");
    refused("t_ms,power_w\n1e300,5\n", "line 2: expected a time");
    refused("t_ms,power_w\n,5\n", "line 2: expected a time");
    refused("{\"t_ms\":10}\n", "line 1: expected a header");
    refused("{\"power_w\":10}\n", "line 1: expected a header");
    refused("{\"t_ms\":1,\"power_w\":1}\n{\"t_ms\":2,\"energy_j\":1}\n", "line 2: expected power");
    refused("{\"t_ms\":10,\n", "line 1");
    refused("stats => once upon a time\n", "line 1: expected stats");
    struct cn_samples s;
    struct cn_profiler_error err;
    assert_int_equal(cn_samples_load("/nonexistent/file", NULL, &s, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/file: No such file"));
    char *longest = malloc(200001);
    assert_non_null(longest);
    memset(longest, '1', 200000);
    longest[200000] = 0;
    refused(longest, "line 1: longer than");
    free(longest);
}

static struct cn_samples load_with(const char *text, const char *columns, double volts)
{
    struct tree t = tree_create();
    char path[1024];
    tree_write(&t, "s", "%s", text);
    tree_path(&t, "s", path);
    struct cn_samples s;
    struct cn_sample_options o = { columns, volts };
    struct cn_profiler_error err = { "" };
    if (cn_samples_load(path, &o, &s, &err) != 0)
        fail_msg("%s", err.text);
    tree_remove(&t);
    return s;
}

static void five_watts(struct cn_samples s, const char *note)
{
    assert_true(fabs(s.series.points[0].value - 5e6) < 1);
    if (!strstr(s.note, note))
        fail_msg("expected \"%s\", found \"%s\"", note, s.note);
    cn_samples_free(&s);
}

/* Which of several columns, or at which voltage, only the user knows. */
static void test_columns_that_are_named(void **state)
{
    (void)state;
    static const char two[] = "Time (s),CPU power (W),GPU power (W)\n1,5,50\n2,6,50\n";
    refused(two, "CPU power (W), GPU power (W); --column");
    five_watts(load_with(two, "power=CPU power (W)", 0), "");
    five_watts(load_with("when,what\n1,5000\n2,6000\n", "time=when,power=what:mW", 0), "");
    five_watts(load_with("t_s,\"a (x, y)\",power_w\n1,5,7\n2,6,7\n", "power=a (x, y)", 0), "");
    refused("DRAM_ENERGY (J),Time,PACKAGE_ENERGY (J)\n0,1,0\n0,2,5\n", "several columns");
    refused("Timestamp(ms),Current(uA),D0-D7\n0,1000000,0\n", "--volts V");
    five_watts(load_with("Timestamp(ms),Current(uA),D0-D7\n0,1000000,0\n100,1100000,0\n", NULL, 5),
               "");
    /* More columns than any number of bits, and the last of them is the one. */
    static char wide[4000];
    size_t n = (size_t)sprintf(wide, "t_s");
    for (int i = 0; i < 300; i++)
        n += (size_t)sprintf(wide + n, ",c%d", i);
    n += (size_t)sprintf(wide + n, ",power_w\n1");
    for (int i = 0; i < 300; i++)
        n += (size_t)sprintf(wide + n, ",1");
    sprintf(wide + n, ",5\n");
    five_watts(load(wide), "");
}

/* V, mV, uV and A, mA, uA cannot be taken for one another in what a battery says. */
static void test_units_of_batteries(void **state)
{
    (void)state;
    five_watts(load("timestamp_ms,current_ua,voltage_mv\n1,-1000,5000\n2,-1100,5000\n"),
               "current taken as mA");
    five_watts(load("{\"t_ms\":1,\"current_ua\":1000,\"voltage_mv\":5000}\n"),
               "current taken as mA");
    five_watts(load("stats => 1700000000000,-1000000,5,93,301\n"), "voltage taken as V");
    five_watts(load("stats => 1700000000000,-1000000,5000000,93,301\n"), "voltage taken as uV");
    five_watts(load("t_s,current_ma,voltage_v\n1,1000000,5\n"), "current taken as uA");
    /* An instrument may measure little. */
    struct cn_samples s = load("t_s,Current (uA),Voltage (V)\n1,1000,5\n");
    assert_true(fabs(s.series.points[0].value - 5e3) < 1);
    cn_samples_free(&s);
    refused("t_s,current_ma,voltage\n1,1000,0.5\n", "voltage is 0.5");
    refused("t_s,current_a,voltage_v\n1,0.5,230\n", "apparent power");
}

/* 20 s at 5 W, and an energy that grows by `step` each second. */
static const char *with_energy(const char *unit, double step, char text[600])
{
    size_t n = (size_t)sprintf(text, "t_s,power_w,energy%s\n", unit);
    for (int i = 0; i <= 20; i++)
        n += (size_t)sprintf(text + n, "%d,5,%.9g\n", i, i * step);
    return text;
}

/* Power by two ways must be one power. */
static void test_two_ways_to_one_thing(void **state)
{
    (void)state;
    static const struct {
        double joules_per_unit;
        const char *note;
    } good[] = {
        {1,      "as J"  },
        { 3600,  "as Wh" },
        { 3.6,   "as mWh"},
        { 3.6e6, "as kWh"}
    };
    char text[600];
    for (size_t i = 0; i < 4; i++)
        five_watts(load(with_energy("", 5 / good[i].joules_per_unit, text)), good[i].note);
    refused(with_energy("", 2.5, text),
            "in none of J, mJ, uJ, Wh, mWh, kWh does it agree with power, which adds up to 100 J");
    refused(with_energy("_wh", 5, text), "one of them is off");
    struct cn_samples s = load(with_energy("_j", 5.1, text));
    assert_true(s.series.counter);
    cn_samples_free(&s);
    refused("t_s,energy\n0,0\n1,5\n", "energy has no unit");
    refused("t_s,power_w,current_a,voltage_v\n0,5,2,5\n1,5,2,5\n", "one of them is off");
    five_watts(load("t_s,power,current_a,voltage_v\n0,5000,1,5\n1,5000,1,5\n"),
               "power taken as mW");
    refused("t_s,power\n0,9000\n1,9000\n", "as W it would be 9000 W");
}

static void test_numbers_that_mean_unknown(void **state)
{
    (void)state;
    struct cn_samples s = load("t_s,power_w\n0,5\n1,4294967295\n2,6\n3,25000\n4,6\n");
    assert_int_equal(s.series.n, 3);
    assert_true(s.series.points[1].broken && s.series.points[2].broken);
    assert_non_null(strstr(s.note, "1 samples above 20 kW"));
    cn_samples_free(&s);
    refused("stats => 1700000000000,-2147483648,4000,93,301\n", "no value in any row");
}

/* Rows of one stamp are averaged, but not over two channels. */
static void test_equal_stamps(void **state)
{
    (void)state;
    struct cn_samples s = load("t_s,power_w\n1,4\n1,6\n1,5\n2,6\n");
    assert_int_equal(s.series.n, 2);
    five_watts(s, "rows of one time averaged");
    refused("t_s,channel,power_w\n1,cpu,4\n1,gpu,50\n2,cpu,4\n2,gpu,50\n3,cpu,4\n3,gpu,50\n"
            "4,cpu,4\n4,gpu,50\n5,cpu,4\n5,gpu,50\n",
            "told apart by column \"channel\"");
    /* A count of the rows tells no series apart. */
    five_watts(load("t_s,n,power_w\n1,1,4\n1,2,6\n2,3,4\n2,4,6\n3,5,5\n3,6,5\n4,7,5\n4,8,5\n"),
               "averaged");
}

/* Noise of an instrument around 0 is no charging; a battery's current of the other sign is. */
static void test_noise_around_zero(void **state)
{
    (void)state;
    struct cn_samples s = load("t_s,current_a,voltage_v\n0,1,5\n1,-0.01,5\n2,1,5\n3,1,5\n");
    assert_int_equal(s.series.n, 3);
    assert_true(fabs(s.series.points[1].value + 5e4) < 1);
    assert_string_equal(s.note, "");
    cn_samples_free(&s);
    s = load("t_s,current_ua,voltage_v\n0,1000000,5\n1,-10000,5\n2,1000000,5\n");
    assert_string_equal(s.note, "samples of the other sign left out as charging");
    cn_samples_free(&s);
}

static void test_output_of_tools(void **state)
{
    (void)state;
    static const char battery[] = "Current Battery Service state:\n  AC powered: %s\n  status: 3\n"
                                  "  current now: -1000\n  voltage: 5000\n";
    char text[600], one[200];
    snprintf(one, sizeof one, battery, "false");
    snprintf(text, sizeof text, "1764000999.000\n%s1764001000.000\n%s", one, one);
    five_watts(load(text), "");
    refused(one, "without a time");
    snprintf(one, sizeof one, battery, "true");
    snprintf(text, sizeof text, "1764000999.000\n%s", one);
    refused(text, "beside a charger");
    static const char tegra[] = "%sRAM 2462/7620MB (lfb 8x4MB) CPU [0%%@1510] %s 5000mW/4940mW "
                                "VDD_SOC 600mW/600mW\n";
    snprintf(text, sizeof text, tegra, "11-24-2025 16:16:39 ", "VDD_IN");
    five_watts(load(text), "without a zone");
    snprintf(text, sizeof text, tegra, "11-24-2025 16:16:39 ", "VDD_GPU");
    refused(text, "tegrastats gives VDD_GPU, VDD_SOC");
    five_watts(load_with(text, "power=VDD_GPU", 0), "");
    snprintf(text, sizeof text, tegra, "", "VDD_IN");
    refused(text, "tegrastats without a time");
    static const char metrics[] =
        "*** Sampled system activity (Mon Nov 24 16:16:39 2025 +0000) (100.00ms elapsed) ***\n"
        "CPU Power: 4000 mW\nCombined Power (CPU + GPU + ANE): 5000 mW\n"
        "*** Sampled system activity (Mon Nov 24 16:16:39 2025 +0000) (500.00ms elapsed) ***\n"
        "CPU Power: 4000 mW\nCombined Power (CPU + GPU + ANE): 6000 mW\n"
        "*** Sampled system activity (Mon Nov 24 16:16:40 2025 +0000) (100.00ms elapsed) ***\n"
        "CPU Power: 5000 mW\n";
    struct cn_samples s = load(metrics);
    assert_int_equal(s.series.n, 3);
    /* The third ended at 40 s or later, 0.6 s behind the first. */
    assert_int_equal(s.series.points[2].hi_ns, INT64_C(1764001000000000000) - 50000000);
    assert_int_equal(s.series.points[1].hi_ns, INT64_C(1764001000000000000) - 350000000);
    five_watts(s, "");
    s = load("# started on Mon\n\n     0.1,0.50,Joules,power/energy-pkg/,100,100.00,,\n"
             "     0.2,0.50,Joules,power/energy-pkg/,100,100.00,,\n");
    assert_true(s.series.counter);
    assert_true(fabs(s.series.points[1].value - s.series.points[0].value - 5e5) < 1);
    cn_samples_free(&s);
    static const char two[] = "0.1,0.50,Joules,power/energy-pkg/,1,1,,\n"
                              "0.1,0.25,Joules,power/energy-ram/,1,1,,\n";
    refused(two, "power/energy-pkg/, power/energy-ram/");
    s = load_with(two, "energy=power/energy-ram/", 0);
    cn_samples_free(&s);
    s = load("timestamp,project_name,duration,emissions,cpu_power,ram_power,cpu_energy,ram_energy,"
             "energy_consumed\n2025-11-24T16:16:39Z,p,1,0.1,3,2,0.000001,0.000001,0.000002\n"
             "2025-11-24T16:16:40Z,p,1,0.1,3,2,0.000001,0.000001,0.000003\n");
    assert_true(s.series.counter);
    assert_true(fabs(s.series.points[1].value - s.series.points[0].value - 3.6e6) < 1);
    cn_samples_free(&s);
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
        cmocka_unit_test(test_columns_that_are_named),
        cmocka_unit_test(test_units_of_batteries),
        cmocka_unit_test(test_two_ways_to_one_thing),
        cmocka_unit_test(test_numbers_that_mean_unknown),
        cmocka_unit_test(test_equal_stamps),
        cmocka_unit_test(test_noise_around_zero),
        cmocka_unit_test(test_output_of_tools),
        cmocka_unit_test(test_join_finds_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "profiler/energy_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static struct cn_energy_model sample(void)
{
    struct cn_energy_model m = {
        .coef = {11.5,   52e-12, 1.75e-13, 3e-12 },
        .t95 = 2.2,
        .spread = 0.012,
        .n_fitted = 15,
        .n_held_out = 5,
        .held_out_error = 0.021,
        .meter = "powercap:package",
        .boundary = "package",
        .cpu = "A \"CPU\" \\ 9",
        .n_times = 2,
        .times = { { 1, { 5e-11, 2e-12, 1e-11 }, 0.1 }, { 8, { 2e-11, 3e-13, 2e-12 }, 0.2 }     }
    };
    for (int i = 0; i < CN_MODEL_TERMS; i++)
        for (int j = 0; j < CN_MODEL_TERMS; j++)
            m.cov[i][j] = 1e-4 * m.coef[i] * m.coef[j] * (i == j ? 1 : 0.3);
    return m;
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024];
    tree_path(&t, "model.json", path);
    struct cn_energy_model m = sample(), back;
    struct cn_profiler_error err = { "" };
    if (cn_energy_model_save(&m, path, &err) != 0 || cn_energy_model_load(path, &back, &err) != 0)
        fail_msg("%s", err.text);
    struct cn_model_row row = {
        {3, 5e10, 4e12, 2e10}
    };
    double half, half_back;
    double joules = cn_energy_model_joules(&m, &row, &half);
    assert_true(fabs(joules - (11.5 * 3 + 52e-12 * 5e10 + 1.75e-13 * 4e12 + 3e-12 * 2e10)) < 1e-9);
    assert_true(fabs(cn_energy_model_joules(&back, &row, &half_back) - joules) < 1e-6);
    assert_true(fabs(half - half_back) < 1e-6 && half > 2.2 * 0.012 * joules);
    assert_string_equal(back.cpu, m.cpu);
    assert_string_equal(back.meter, m.meter);
    assert_int_equal(back.n_times, 2);
    assert_int_equal(back.times[1].n_threads, 8);
    assert_true(fabs(back.times[1].coef[2] - 2e-12) < 1e-20);
    assert_int_equal(back.n_held_out, 5);
    assert_int_equal(cn_energy_model_save(&m, "/no/such/folder/x", &err), -1);
    assert_non_null(strstr(err.text, "/no/such/folder/x"));
    tree_remove(&t);
}

#define GOOD                                                                              \
    "{\"energy_model\": 1, \"static_w\": 4, \"j_per_byte\": 1e-9, \"j_per_int8_op\": 0, " \
    "\"j_per_unpack\": 0}\n"

static void test_bad_files(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024];
    tree_path(&t, "model.json", path);
    static const char *const bad[][2] = {
        {"",                                                               "empty"                        },
        { "hello\n",                                                       "line 1: expected an object"   },
        { "{}\n",                                                          "\"energy_model\": 1"          },
        { "{\"energy_model\": 2, \"static_w\": 4}\n",                      "\"energy_model\": 1"          },
        { "{\"energy_model\": 1, \"static_w\": 4}\n",                      "expected static_w, j_per_byte"},
        { "{\"energy_model\": 1, \"static_w\": -4, \"j_per_byte\": 1e-9, \"j_per_int8_op\": 0, "
          "\"j_per_unpack\": 0}\n",                               "0 or more"                    },
        { GOOD "{\"time_model\": 1, \"threads\": 0, \"s_per_byte\": 1}\n",
         "line 2: expected threads"                                                                       },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cn_energy_model m;
        struct cn_profiler_error err = { "" };
        tree_write(&t, "model.json", "%s", bad[i][0]);
        assert_int_equal(cn_energy_model_load(path, &m, &err), -1);
        if (!strstr(err.text, bad[i][1]) || !strstr(err.text, path))
            fail_msg("expected \"%s\", found \"%s\"", bad[i][1], err.text);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 9000; i++)
        fputc(' ', f);
    fclose(f);
    struct cn_energy_model m;
    struct cn_profiler_error err;
    assert_int_equal(cn_energy_model_load(path, &m, &err), -1);
    assert_non_null(strstr(err.text, "too long"));
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(GOOD, f);
    for (int i = 0; i < 70; i++)
        fputs("{\"time_model\": 1, \"threads\": 3, \"s_per_byte\": 1, \"s_per_int8_op\": 1, "
              "\"s_per_unpack\": 1}\n",
              f);
    fclose(f);
    assert_int_equal(cn_energy_model_load(path, &m, &err), -1);
    assert_non_null(strstr(err.text, "more time models"));
    tree_remove(&t);
}

/* As a meter: what is told is priced, and called modelled. */
static void test_as_a_meter(void **state)
{
    (void)state;
    struct tree t = tree_create();
    char path[1024], name[1100];
    tree_path(&t, "model.json", path);
    struct cn_energy_model m = sample();
    assert_int_equal(cn_energy_model_save(&m, path, NULL), 0);
    snprintf(name, sizeof name, "model:%s", path);
    struct cn_profiler_options o = { .meter = name };
    struct cn_profiler_error err = { "" };
    struct cn_profiler *p = cn_profiler_create(&o, &err);
    if (!p || cn_profiler_start(p, &err) != 0)
        fail_msg("%s", err.text);
    const struct cn_meter_info *info = cn_profiler_channel(p, 0);
    assert_true(info->ok && info->modelled);
    assert_string_equal(info->boundary, "package (modelled)");
    assert_non_null(strstr(info->sources, "pJ/byte"));
    struct timespec wait = { 0, 1000000 };
    for (int phase = 0; phase < 2; phase++) {
        cn_profiler_phase_begin(p, phase ? "decode" : "prefill", phase);
        for (int i = 0; i < 50; i++) {
            nanosleep(&wait, NULL);
            if (phase)
                cn_profiler_work(p, 1000000000, 2000000000000, 10000000);
        }
        cn_profiler_phase_end(p);
    }
    assert_int_equal(cn_profiler_stop(p, &err), 0);
    struct cn_energy e[2];
    for (int phase = 0; phase < 2; phase++) {
        cn_profiler_phase(p, 0, (size_t)phase, &e[phase]);
        assert_int_equal(e[phase].status, CN_ENERGY_MODELLED);
        double want = 11.5e-9 * (double)e[phase].busy_ns +
                      phase * 50 * (52e-12 * 1e9 + 1.75e-13 * 2e12 + 3e-12 * 1e7);
        print_message("%.4f J, %.4f by hand\n", e[phase].joules, want);
        assert_true(fabs(e[phase].joules - want) < 0.02 * want);
    }
    cn_profiler_free(p);
    tree_unlink(&t, "model.json");
    p = cn_profiler_create(&o, &err);
    assert_non_null(p);
    info = cn_profiler_channel(p, 0);
    assert_false(info->ok);
    assert_non_null(strstr(info->reason, "No such file"));
    assert_non_null(strstr(info->remedy, "carnot machine --energy"));
    cn_profiler_free(p);
    tree_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_as_a_meter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

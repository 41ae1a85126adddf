/* SPDX-License-Identifier: MIT */
#include "profiler/samples/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000000, US = 1000 };

static struct cn_series make(bool counter, double declared_ns)
{
    struct cn_series s = { .counter = counter, .declared_ns = declared_ns };
    assert_true(cn_series_reserve(&s, 4096));
    return s;
}

/* A read at t that takes 2 us. */
static void add(struct cn_series *s, int64_t t, double value)
{
    cn_series_add(s, t, t + 2 * US, value, false);
}

static double span(const struct cn_series *s, int64_t t0, int64_t t1)
{
    struct cn_estimate e;
    cn_series_span(s, t0, t1, &e);
    assert_null(e.reason);
    assert_true(e.var_uj2 >= 0);
    return e.uj;
}

static const char *refusal(const struct cn_series *s, int64_t t0, int64_t t1)
{
    struct cn_estimate e;
    cn_series_span(s, t0, t1, &e);
    assert_true(isnan(e.uj));
    assert_non_null(e.reason);
    return e.reason;
}

/* A counter at `watts` that steps at whole periods, as it reads at t. */
static double stepping(double watts, int64_t t, int64_t period)
{
    return watts * 1e-3 * (double)(t / period * period);
}

static void test_repeats_only_lengthen(void **state)
{
    (void)state;
    struct cn_series s = make(true, MS);
    add(&s, 0, 5);
    add(&s, 10 * US, 5);
    add(&s, 20 * US, 5);
    add(&s, 30 * US, 6);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.points[0].last_ns, 20 * US);
    assert_int_equal(s.points[1].lo_ns, 20 * US);
    assert_int_equal(s.points[1].hi_ns, 32 * US);
    /* After a break even the same value is a new point. */
    cn_series_break(&s);
    add(&s, 40 * US, 6);
    assert_int_equal(s.n, 3);
    assert_true(s.points[2].broken);
    cn_series_free(&s);
    /* Without room a value is counted as lost, never written. */
    struct cn_series none = { .counter = true };
    add(&none, 0, 1);
    assert_int_equal(none.n_dropped, 1);
}

/* Read without pause, the period is found, and energy between updates is a line. */
static void test_period_from_what_was_seen(void **state)
{
    (void)state;
    struct cn_series s = make(true, MS);
    for (int64_t t = 0; t < 20 * MS; t += 20 * US)
        add(&s, t, stepping(30, t, 3 * MS / 2)); /* 1.5 ms, whatever was declared */
    cn_series_settle(&s);
    assert_true(s.timed);
    assert_true(fabs(s.period_ns - 1.5e6) < 2e4);
    double uj = span(&s, 4 * MS, 12 * MS);
    assert_true(fabs(uj - 30 * 8000) < 30 * 50);
    struct cn_estimate e;
    cn_series_span(&s, 3 * MS, 18 * MS, &e);
    assert_true(fabs(e.updates - 10) < 0.5);
    cn_series_free(&s);
}

static void test_a_slow_counter_is_not_credited_with_updates(void **state)
{
    (void)state;
    struct cn_series s = make(true, MS);
    for (int64_t t = 0; t < 2000 * MS; t += 50 * MS)
        add(&s, t, stepping(30, t, 200 * MS));
    cn_series_settle(&s);
    struct cn_estimate e;
    cn_series_span(&s, 200 * MS, 1200 * MS, &e);
    assert_true(e.updates <= 6);
    assert_true(fabs(e.uj - 30e6) < 1e6);
    cn_series_free(&s);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cn_series s = make(true, MS);
    cn_series_settle(&s);
    assert_non_null(strstr(refusal(&s, 0, MS), "no value"));
    add(&s, 0, 7);
    add(&s, 50 * MS, 7);
    cn_series_settle(&s);
    assert_non_null(strstr(refusal(&s, 0, MS), "did not move"));
    for (int64_t t = 51 * MS; t < 100 * MS; t += MS)
        add(&s, t, (double)t);
    cn_series_break(&s);
    for (int64_t t = 200 * MS; t < 300 * MS; t += MS)
        add(&s, t, (double)t);
    cn_series_settle(&s);
    span(&s, 60 * MS, 90 * MS);
    span(&s, 210 * MS, 290 * MS);
    assert_non_null(strstr(refusal(&s, 60 * MS, 210 * MS), "lost count"));
    assert_non_null(strstr(refusal(&s, 120 * MS, 150 * MS), "lost count"));
    assert_non_null(strstr(refusal(&s, 60 * MS, 400 * MS), "lost count"));
    assert_non_null(strstr(refusal(&s, 250 * MS, 400 * MS), "do not cover"));
    cn_series_free(&s);
}

static void test_gauge_is_a_trapezoid(void **state)
{
    (void)state;
    struct cn_series s = make(false, 0);
    s.period_known = true;
    s.declared_ns = 100 * MS;
    /* 10 W for a second, up to 20 W in 100 ms, 20 W for a second. */
    for (int i = 0; i <= 10; i++)
        cn_series_add(&s, i * 100 * MS, i * 100 * MS, 10e6, false);
    for (int64_t i = 11; i <= 21; i++)
        cn_series_add(&s, i * 100 * MS, i * 100 * MS, 20e6, false);
    cn_series_settle(&s);
    assert_int_equal(s.n, 2);
    assert_true(fabs(span(&s, 0, 1000 * MS) - 10e6) < 1);
    assert_true(fabs(span(&s, 1000 * MS, 1100 * MS) - 1.5e6) < 1);
    assert_true(fabs(span(&s, 1000 * MS, 1050 * MS) - 0.625e6) < 1);
    assert_true(fabs(span(&s, 0, 2100LL * MS) - 31.5e6) < 1);
    /* In the even parts there is nothing uncertain, at the step there is. */
    struct cn_estimate even, step;
    cn_series_span(&s, 300 * MS, 600 * MS, &even);
    cn_series_span(&s, 300 * MS, 1050 * MS, &step);
    assert_true(even.var_uj2 < 1);
    assert_true(step.var_uj2 > 1e9);
    assert_non_null(strstr(refusal(&s, 0, 2500LL * MS), "do not cover"));
    cn_series_free(&s);
}

/* 100 ms reads of a gauge that refreshes every 310 ms: the repeats tell. */
static void test_refresh_of_a_gauge(void **state)
{
    (void)state;
    struct cn_series s = make(false, 500.0 * MS);
    for (int64_t t = 0; t < 10000LL * MS; t += 100 * MS)
        add(&s, t, 5e6 + 1e5 * (double)(t / (310 * MS) * 7 % 11));
    cn_series_settle(&s);
    assert_true(s.period_ns >= 290.0 * MS && s.period_ns <= 330.0 * MS);
    struct cn_estimate e;
    cn_series_span(&s, 0, 3100LL * MS, &e);
    assert_true(e.updates >= 9 && e.updates <= 11);
    cn_series_free(&s);
}

/* 100 ms rows of 3 and 3.01 W, and none from 10 to 32 s, whatever the values beside the gap. */
static void test_a_gauge_knows_nothing_of_a_gap(void **state)
{
    (void)state;
    for (int equal = 0; equal < 2; equal++) {
        struct cn_series s = make(false, 100.0 * MS);
        struct cn_estimate within, across, seen;
        for (int64_t i = 0; i <= 400; i++)
            if (i <= 100 || i >= 320)
                cn_series_add(&s, i * 100 * MS, i * 100 * MS, equal ? 3e6 : 3e6 + 1e4 * (i & 1),
                              false);
        cn_series_settle(&s);
        cn_series_span(&s, 15000LL * MS, 25000LL * MS, &within);
        assert_true(within.updates < 2);
        /* Over both sides the gap counts for nothing, and its 22 s may have had another power. */
        cn_series_span(&s, 5000LL * MS, 37000LL * MS, &across);
        if (equal) /* and one value all through has not measured anything */
            assert_true(across.updates < 1 && strstr(across.slow, "measure 180 s"));
        else
            assert_true(across.updates > 98 && across.updates < 103);
        assert_true(equal || sqrt(across.var_uj2) > 22 * 3e6 / 8);
        cn_series_span(&s, 1000LL * MS, 6000LL * MS, &seen);
        assert_true(equal ? seen.updates < 1 : fabs(seen.updates - 50) < 1.5);
        assert_true(sqrt(seen.var_uj2) < 0.1e6);
        cn_series_free(&s);
    }
}

/* 1 ms at 10 W until 1 s, then it is seen not to move. */
static void test_a_counter_that_stops(void **state)
{
    (void)state;
    struct cn_series s = make(true, MS);
    for (int64_t t = 0; t < 2000 * MS; t += 200 * US)
        add(&s, t, stepping(10, t < 1000 * MS ? t : 1000 * MS, MS));
    cn_series_settle(&s);
    assert_true(fabs(span(&s, 500 * MS, 1000 * MS) - 5e6) < 0.1e6);
    assert_non_null(strstr(refusal(&s, 500 * MS, 1500 * MS), "stood still"));
    assert_non_null(strstr(refusal(&s, 1200 * MS, 1500 * MS), "stood still"));
    /* For a little while that is the end of a step. */
    struct cn_estimate e;
    cn_series_span(&s, 1000 * MS, 1050 * MS, &e);
    assert_true(e.updates < 3);
    assert_true(e.uj <= 1.1 * 10e3);
    cn_series_free(&s);
}

/* Rows ten times as often as the gauge changes are no more updates than its changes. */
static void test_rows_that_repeat(void **state)
{
    (void)state;
    struct cn_series s = make(false, 100.0 * MS);
    struct cn_estimate e;
    for (int64_t i = 0; i <= 600; i++)
        cn_series_add(&s, i * 100 * MS, i * 100 * MS, 5e6 + 1e5 * (double)(i / 10 * 7 % 11), false);
    cn_series_rows(&s);
    cn_series_settle(&s);
    cn_series_span(&s, 10000LL * MS, 40000LL * MS, &e);
    assert_true(e.updates > 28 && e.updates < 32);
    cn_series_free(&s);
}

/* 5 W in steps of 36 J: rows of 1 s that mostly stand still, and of 30 s that mostly move. */
static void test_steps_of_a_counter(void **state)
{
    (void)state;
    static const int64_t rows[] = { 1000LL * MS, 30000LL * MS };
    for (int i = 0; i < 2; i++) {
        struct cn_series s = make(true, (double)rows[i]);
        struct cn_estimate e;
        for (int64_t t = 0; t <= 3600000LL * MS; t += rows[i]) {
            const double joules = 5e-9 * (double)t, seen = floor(joules / 36 + 0.4) * 36;
            cn_series_add(&s, t, t, 1e6 * seen, false);
        }
        cn_series_rows(&s);
        assert_int_equal(s.period_known, i);
        assert_true(fabs(s.quantum_uj - 36e6) < 1);
        cn_series_settle(&s);
        cn_series_span(&s, 605000LL * MS, 2405000LL * MS, &e);
        assert_null(e.reason);
        assert_true(fabs(e.uj - 9000e6) < 2 * sqrt(e.var_uj2));
        assert_true(sqrt(e.var_uj2) > 36e6 / 4 && sqrt(e.var_uj2) < 100e6);
        cn_series_free(&s);
    }
    /* Read out of something finer: no step to speak of. */
    struct cn_series s = make(true, MS);
    for (int i = 0; i < 500; i++)
        cn_series_add(&s, i * MS, i * MS, 1e4 * i + 3e3 * sin(i), false);
    cn_series_rows(&s);
    assert_true(s.period_known);
    assert_true(s.quantum_uj < 100);
    cn_series_free(&s);
}

/* Nobody read from 1 to 3 s: what was used is known, but not when. */
static void test_a_counter_cut_where_nobody_looked(void **state)
{
    (void)state;
    struct cn_series s = make(true, MS);
    for (int64_t t = 0; t < 4000LL * MS; t += 200 * US)
        if (t <= 1000 * MS || t >= 3000LL * MS)
            add(&s, t, stepping(10, t, MS));
    cn_series_settle(&s);
    struct cn_estimate e;
    cn_series_span(&s, 500 * MS, 3500LL * MS, &e);
    assert_true(fabs(e.uj - 30e6) < 0.1e6);
    assert_true(fabs(e.updates - 3000) < 30);
    cn_series_span(&s, 1500 * MS, 2500LL * MS, &e);
    assert_true(e.updates < 2);
    cn_series_span(&s, 500 * MS, 2000LL * MS, &e);
    assert_true(fabs(e.updates - 500) < 10);
    cn_series_free(&s);
}

/* A gauge read each 50 ms that shows a new value each `seconds`, for `n` of them. */
static struct cn_series slow_gauge(double seconds, int n)
{
    struct cn_series s = make(false, 0);
    for (int64_t t = 0; t < (int64_t)(n * seconds * 1e9); t += 50 * MS)
        add(&s, t, 5e6 + 1e5 * ((int)(1e-9 * (double)t / seconds) * 7 % 11));
    cn_series_settle(&s);
    return s;
}

/* Few changes: the period is the longest hold, the first and the last as long as they were seen. */
static void test_stale_gauges(void **state)
{
    (void)state;
    struct cn_estimate e;
    struct cn_series s = slow_gauge(12, 2);
    assert_true(fabs(s.period_ns - 12e9) < 0.1e9);
    cn_series_span(&s, 0, 8000LL * MS, &e);
    assert_true(e.updates < 1);
    assert_string_equal(e.slow, "too few new values of the gauge: it refreshes every 12 s or "
                                "slower: measure 120 s");
    cn_series_span(&s, 8000LL * MS, 20000LL * MS, &e);
    assert_true(e.updates < 1.5);
    cn_series_free(&s);
    s = slow_gauge(60, 1); /* one value all through */
    cn_series_span(&s, 10000LL * MS, 50000LL * MS, &e);
    assert_true(e.updates < 1 && strstr(e.slow, "measure 600 s"));
    cn_series_free(&s);
    s = slow_gauge(0.3, 100);
    cn_series_span(&s, 5000LL * MS, 15000LL * MS, &e);
    assert_true(fabs(e.updates - 33) < 2);
    cn_series_free(&s);
}

/* A gauge of 0.3 s that then shows one value for 12 s, or for 1 s, which equal values explain. */
static void test_a_gauge_that_falls_asleep(void **state)
{
    (void)state;
    for (int asleep = 0; asleep < 2; asleep++) {
        struct cn_series s = make(false, 0);
        struct cn_estimate e;
        const int64_t wakes = asleep ? 22000 : 11000;
        for (int64_t ms = 0; ms < 32000; ms += 50)
            add(&s, ms * MS,
                5e6 + 1e5 * (double)((ms < 10000 || ms > wakes ? ms : 10000) / 300 * 7 % 11));
        cn_series_settle(&s);
        cn_series_span(&s, 5000LL * MS, 30000LL * MS, &e);
        if (asleep) {
            assert_true(e.updates < 48);
            assert_true(1e-6 * sqrt(e.var_uj2) > 5); /* 12 s at a quarter more or less */
        } else {
            assert_true(e.updates > 75);
            assert_true(1e-6 * sqrt(e.var_uj2) < 3);
        }
        cn_series_free(&s);
    }
}

/* Rows of 0.1 s that show one value from 10 to 20 s: level power if the stretch is that one. */
static void test_level_rows(void **state)
{
    (void)state;
    struct cn_series s = make(false, 100.0 * MS);
    struct cn_estimate e;
    for (int64_t i = 0; i <= 300; i++)
        cn_series_add(&s, i * 100 * MS, i * 100 * MS, i < 100 ? 4e6 : i < 200 ? 9e6 : 5e6, false);
    cn_series_rows(&s);
    cn_series_settle(&s);
    cn_series_span(&s, 10000LL * MS, 20000LL * MS, &e);
    assert_true(fabs(e.updates - 100) < 2);
    cn_series_span(&s, 12000LL * MS, 18000LL * MS, &e);
    assert_true(e.updates < 1 && strstr(e.slow, "every 10 s or slower: measure 100 s"));
    cn_series_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats_only_lengthen),
        cmocka_unit_test(test_period_from_what_was_seen),
        cmocka_unit_test(test_a_slow_counter_is_not_credited_with_updates),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_gauge_is_a_trapezoid),
        cmocka_unit_test(test_refresh_of_a_gauge),
        cmocka_unit_test(test_a_gauge_knows_nothing_of_a_gap),
        cmocka_unit_test(test_stale_gauges),
        cmocka_unit_test(test_a_gauge_that_falls_asleep),
        cmocka_unit_test(test_level_rows),
        cmocka_unit_test(test_a_counter_that_stops),
        cmocka_unit_test(test_rows_that_repeat),
        cmocka_unit_test(test_steps_of_a_counter),
        cmocka_unit_test(test_a_counter_cut_where_nobody_looked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Shares of stretches of a counter whose power is known: 10 W for a second, then 20 W for one.
 */
#include "profiler/watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { MS = 1000000, STEPS = 2000 };

static const int64_t begin = INT64_C(5000000000);

static double uj_at(int64_t ms)
{
    return 1e4 * (double)ms + (ms > 1000 ? 1e4 * (double)(ms - 1000) : 0);
}

/* Read four times in each step of a millisecond. */
static void fill(struct cn_watch *w, struct cn_series *s)
{
    *s = (struct cn_series){ .counter = true, .declared_ns = MS, .period_ns = MS, .quantum_uj = 1 };
    assert_true(cn_series_reserve(s, STEPS + 200));
    for (int64_t quarter = -400; quarter < 4 * (STEPS + 50); quarter++) {
        const int64_t t = begin + quarter * MS / 4, ms = quarter / 4;
        cn_series_add(s, t, t + 1000, uj_at(ms), false);
    }
    cn_series_settle(s);
    *w = (struct cn_watch){ .opened = { .n_sources = 1 }, .series = s };
    w->channel.info.ok = w->channel.info.counter = true;
}

static struct cn_share at(int64_t from_ms, int64_t to_ms, double share)
{
    return (struct cn_share){ begin + from_ms * MS, begin + to_ms * MS, share };
}

static double joules(const struct cn_watch *w, const struct cn_share *shares, size_t n)
{
    struct cn_energy e;
    cn_attribute_shares(w, shares, n, &e);
    assert_int_equal(e.status, CN_ENERGY_MEASURED);
    assert_true(e.uncertainty < 0.01 * e.joules);
    return e.joules;
}

static void assert_near(double found, double expected, double share)
{
    if (!(fabs(found - expected) <= share * fabs(expected)))
        fail_msg("%g expected, %g found", expected, found);
}

static void test_shares(void **state)
{
    struct cn_watch w;
    struct cn_series s;
    (void)state;
    fill(&w, &s);
    const struct cn_share mine[] = { at(0, 1000, 0.25), at(1000, 2000, 0.75) };
    const struct cn_share others[] = { at(0, 1000, 0.75), at(1000, 2000, 0.25) };
    assert_near(joules(&w, mine, 2), 0.25 * 10 + 0.75 * 20, 0.003);
    assert_near(joules(&w, others, 2), 0.75 * 10 + 0.25 * 20, 0.003);
    /* Passes of 7 ms that two share by turns: all of it, and nothing twice. */
    struct cn_share a[200], b[200];
    for (int i = 0; i < 200; i++) {
        a[i] = at(7 * i, 7 * i + 7, i % 3 / 2.0);
        b[i] = at(7 * i, 7 * i + 7, 1 - i % 3 / 2.0);
    }
    assert_near(joules(&w, a, 200) + joules(&w, b, 200), 10 + 0.4 * 20, 0.003);
    /* A gap is nobody's. */
    const struct cn_share apart[] = { at(0, 500, 1), at(1500, 2000, 1) };
    assert_near(joules(&w, apart, 2), 15, 0.01);
    cn_series_free(&s);
}

static void test_net_and_unknown(void **state)
{
    struct cn_watch w;
    struct cn_series s;
    struct cn_idle idle;
    struct cn_energy e;
    (void)state;
    fill(&w, &s);
    assert_true(cn_attribute_idle(&w, begin, begin + 500 * MS, &idle));
    assert_near(idle.w, 10, 0.01);
    assert_false(cn_attribute_idle(&w, begin, begin + 5 * MS, &idle));
    w.idle = &idle;
    w.n_idle = 1;
    const struct cn_share half[] = { at(1000, 2000, 0.5) };
    cn_attribute_shares(&w, half, 1, &e);
    assert_near(e.joules, 10, 0.01);
    assert_near(e.joules_net, 5, 0.02); /* half a second of 10 W */
    assert_int_equal(e.busy_ns, 500 * MS);
    /* Too short to tell. */
    const struct cn_share moment[] = { at(1000, 1004, 1) };
    cn_attribute_shares(&w, moment, 1, &e);
    assert_int_equal(e.status, CN_ENERGY_UNRESOLVED);
    assert_true(isnan(e.joules) && e.reason);
    cn_series_free(&s);
}

/* What is forgotten is not missed. */
static void test_forgetting(void **state)
{
    struct cn_watch w;
    struct cn_series s;
    (void)state;
    fill(&w, &s);
    const size_t before = s.n;
    const struct cn_share late[] = { at(1200, 2000, 1) };
    const double known = joules(&w, late, 1);
    cn_series_forget(&s, begin + 1200 * MS);
    assert_true(s.n < before / 2);
    cn_series_settle(&s);
    assert_near(joules(&w, late, 1), known, 1e-6);
    assert_near(known, 16, 0.003);
    cn_series_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_net_and_unknown),
        cmocka_unit_test(test_forgetting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

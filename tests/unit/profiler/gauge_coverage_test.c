/* SPDX-License-Identifier: MIT
 *
 * A battery's gauge in simulated time: it refreshes three times a second, its current comes in
 * steps, and the sampler looks at it 20 times a second. How often do the stated intervals of 95%
 * hold the truth? One run is a phone's session; a hundred of them take no time.
 */
#include "profiler/samples/series.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { RUNS = 100, WANTED = 93, MS = 1000000, STEP = MS, MOST_STEPS = 40000 };

static uint64_t state;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

static double between(double lo, double hi)
{
    return lo + (hi - lo) * uniform();
}

/* What the gauge tells at a refresh. */
enum gauge { MOMENT, MEAN_SINCE_LAST };

struct session {
    double cum_uj[MOST_STEPS + 1]; /* true energy, step by step of 1 ms */
    int n;
    int prefill, decode, end; /* steps at which these begin; the end of decode */
};

/* Idle, prefill, decode token by token, idle. */
static void simulate(struct session *s)
{
    s->n = 0;
    s->cum_uj[0] = 0;
    double idle = between(0.6, 1.2), prefill = between(4, 8), decode = between(2.5, 5);
    int t_idle = (int)between(1500, 4000), t_prefill = (int)between(3500, 7000);
    int t_decode = (int)between(6000, 15000), t_after = (int)between(1500, 4000);
    double token_ms = between(40, 160), noise = 0;
    s->prefill = t_idle;
    s->decode = s->prefill + t_prefill;
    s->end = s->decode + t_decode;
    for (int t = 0; t < s->end + t_after; t++) {
        if (t % 50 == 0) /* other programs, the radio */
            noise = 0.8 * noise + between(-0.15, 0.15);
        double watts = t < s->prefill || t >= s->end ? idle : t < s->decode ? prefill : decode;
        /* Sampling between tokens takes less. */
        if (t >= s->decode && t < s->end && fmod(t, token_ms) < 0.1 * token_ms)
            watts *= 0.6;
        s->cum_uj[t + 1] = s->cum_uj[t] + 1e3 * fmax(0.2, watts + noise);
        s->n++;
    }
}

static double true_uj(const struct session *s, int from, int to)
{
    return s->cum_uj[to] - s->cum_uj[from];
}

/* The value that the gauge shows from refresh to refresh, as the sampler sees it. */
static void watch(const struct session *s, enum gauge gauge, double step_ma,
                  struct cn_series *series)
{
    double volts = between(3.6, 4.1), period = between(300, 350);
    double refresh = between(0, period), look = between(0, 50), value = 0;
    int last = 0;
    for (int t = 0; t < s->n; t++) {
        if (t >= refresh || t == 0) {
            int from = gauge == MOMENT ? (t > 0 ? t - 1 : 0) : last;
            int to = t > from ? t : from + 1;
            double watts = 1e-3 * true_uj(s, from, to) / (to - from);
            double ma = step_ma * rint(1e3 * watts / volts / step_ma);
            value = 1e3 * ma * volts;
            last = t;
            if (t > 0)
                refresh += period + between(-8, 8);
        }
        if (t >= look) {
            int64_t at = (int64_t)(t * 1e6 + between(0, 0.4e6));
            cn_series_add(series, at, at + 60000, value, false);
            look += 50;
        }
    }
}

struct verdict {
    int held;
    double bias, size; /* mean relative error; mean half width */
};

static void judge(const struct session *s, const struct cn_series *series, int from, int to,
                  struct verdict *v)
{
    struct cn_estimate e;
    cn_series_span(series, (int64_t)from * MS, (int64_t)to * MS, &e);
    assert_null(e.reason);
    double t = true_uj(s, from, to), half = 1.96 * sqrt(e.var_uj2);
    assert_true(e.uj > 0);
    assert_true(e.updates >= 8);
    v->held += fabs(e.uj - t) <= half;
    v->bias += (e.uj / t - 1) / RUNS;
    v->size += half / t / RUNS;
}

static void cover(enum gauge gauge, double step_ma)
{
    static struct session s;
    struct verdict prefill = { 0 }, decode = { 0 }, whole = { 0 };
    state = 11;
    for (int run = 0; run < RUNS; run++) {
        struct cn_series series = { .declared_ns = 500.0 * MS };
        assert_true(cn_series_reserve(&series, 4096));
        simulate(&s);
        watch(&s, gauge, step_ma, &series);
        cn_series_settle(&series);
        assert_true(series.period_ns > 250.0 * MS && series.period_ns < 420.0 * MS);
        judge(&s, &series, s.prefill, s.decode, &prefill);
        judge(&s, &series, s.decode, s.end, &decode);
        judge(&s, &series, s.prefill, s.end, &whole);
        cn_series_free(&series);
    }
    print_message(
        "of %d intervals held: prefill %d, decode %d, both %d; bias %+.1f, %+.1f, %+.1f%%; "
        "half width %.1f, %.1f, %.1f%%\n",
        RUNS, prefill.held, decode.held, whole.held, 100 * prefill.bias, 100 * decode.bias,
        100 * whole.bias, 100 * prefill.size, 100 * decode.size, 100 * whole.size);
    assert_true(prefill.held >= WANTED && decode.held >= WANTED && whole.held >= WANTED);
    /* An interval that is always held says nothing. */
    assert_true(prefill.size < 0.05 && decode.size < 0.1 && whole.size < 0.07);
}

static void test_value_of_the_moment(void **unused)
{
    (void)unused;
    cover(MOMENT, 1);
    cover(MOMENT, 40);
}

static void test_mean_since_the_last_refresh(void **unused)
{
    (void)unused;
    cover(MEAN_SINCE_LAST, 1);
    cover(MEAN_SINCE_LAST, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_of_the_moment),
        cmocka_unit_test(test_mean_since_the_last_refresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

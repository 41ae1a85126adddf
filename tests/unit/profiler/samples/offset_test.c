/* SPDX-License-Identifier: MIT
 *
 * A phone's session as it is measured without root: the trace of the phases, and the log of an app
 * that prints its battery's gauge, whose clock is some seconds off. Everything is made up by a
 * generator with a seed, so the true joules are known.
 */
#include "profiler/profiler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

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

enum { N_PHASES = 6, STEP_MS = 1, MOST = 120000 };
static const char *const kinds[N_PHASES] = { "idle", "load", "prefill", "decode", "idle", "" };
static const int64_t mono = 5000000000000, realtime = 1699995000000000000;

struct session {
    int begin[N_PHASES]; /* ms; the last is the end */
    double uj[MOST + 1]; /* cumulative, each ms */
    int n;
};

static void make_session(struct session *s)
{
    double watts[] = { between(1.2, 1.8), between(4, 6), between(9, 13), between(6, 8.5),
                       between(1.2, 1.8) };
    double seconds[] = { 4, between(3, 5), between(5, 8), between(12, 20), 5 };
    s->begin[0] = 3000;
    for (int i = 0; i < 5; i++)
        s->begin[i + 1] = s->begin[i] + (int)(1e3 * seconds[i]);
    s->n = s->begin[5] + 4000;
    double noise = 0;
    for (int t = 0; t < s->n; t++) {
        int phase = 0;
        while (phase < 4 && t >= s->begin[phase + 1])
            phase++;
        if (t % 40 == 0)
            noise = 0.8 * noise + between(-0.1, 0.1);
        s->uj[t + 1] = s->uj[t] + 1e3 * (watts[phase] + noise);
    }
}

/* Every 100 ms or so a line with the gauge's last value, the mean of its 310 ms. */
static void write_log(const struct session *s, const char *path, double off_s)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("--------- beginning of main\n", f);
    double refresh = between(310, 600), look = between(0, 100), watts = 1.5, last = 0;
    for (int t = 0; t < s->n; t++) {
        if (t >= refresh) {
            watts = 1e-3 * (s->uj[t] - s->uj[(int)last]) / (t - last);
            last = t;
            refresh += 310;
        }
        if (t >= look) {
            int64_t ns = mono + realtime + (int64_t)(1e6 * t) - (int64_t)(1e9 * off_s);
            double volts = 4.1 - 0.02 * watts;
            fprintf(f, "11-21 01:02:03.456 D BatteryMgr: stats => %lld,%.0f,%.0f,87,312\n",
                    (long long)(ns / 1000000), -floor(1e6 * watts / volts), 1e3 * volts);
            fputs("11-21 01:02:03.460 I other: a line of something else\n", f);
            look += between(96, 106);
        }
    }
    fclose(f);
}

static void write_trace(const struct session *s, const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 5; i++) {
        /* Decode is many phases, with sampling between them. */
        int step = i == 3 ? 100 : s->begin[i + 1] - s->begin[i];
        for (int t = s->begin[i], k = 0; t + step <= s->begin[i + 1]; t += step, k++) {
            int64_t t0 = mono + (int64_t)t * 1000000, t1 = t0 + (int64_t)step * 1000000;
            int64_t sample = i == 3 ? 2000000 : 0;
            static const char line[] =
                "{\"phase\":\"%s\",\"index\":%d,\"t0_ns\":%lld,\"t1_ns\":%lld,"
                "\"realtime_offset_ns\":%lld,\"boottime_offset_ns\":0}\n";
            fprintf(f, line, kinds[i], k, (long long)t0, (long long)(t1 - sample),
                    (long long)realtime);
            if (sample)
                fprintf(f, line, "sample", k, (long long)(t1 - sample), (long long)t1,
                        (long long)realtime);
        }
    }
    fclose(f);
}

static double phase_truth(const struct session *s, int i)
{
    int end = i == 3 ? s->begin[3] + (s->begin[4] - s->begin[3]) / 100 * 100 : s->begin[i + 1];
    return 1e-6 * (s->uj[end] - s->uj[s->begin[i]]) * (i == 3 ? 0.98 : 1);
}

static void test_clock_is_found(void **unused)
{
    (void)unused;
    struct tree tree = tree_create();
    char trace[1024], log[1024];
    tree_path(&tree, "trace.jsonl", trace);
    tree_path(&tree, "logcat.txt", log);
    static struct session s;
    double worst = 0;
    for (int run = 0; run < 20; run++) {
        state = (uint64_t)run;
        make_session(&s);
        double off = run == 0 ? 3.7 : between(-8, 8);
        write_log(&s, log, off);
        write_trace(&s, trace);
        struct cn_attribute_options o = { .search_ms = 10000 };
        struct cn_profiler_error err = { "" };
        struct cn_profiler *p = cn_attribute_files(trace, log, &o, &err);
        if (!p)
            fail_msg("%s", err.text);
        const char *said = strstr(cn_profiler_channel(p, 0)->sources, "clock found ");
        assert_non_null(said);
        /* Half a refresh and half a look later than the power. */
        double found = strtod(said + strlen("clock found "), NULL);
        if (fabs(found + off - 0.155 - 0.05) > 0.12)
            fail_msg("the clock is %+.3f s off, found %+.3f", -off, found);
        for (int i = 1; i < 4; i++) {
            struct cn_energy e;
            cn_profiler_total(p, 0, kinds[i], 0, SIZE_MAX, &e);
            assert_int_equal(e.status, CN_ENERGY_MEASURED);
            double error = e.joules / phase_truth(&s, i) - 1;
            if (run == 0)
                print_message("%-8s %7.2f J +- %.2f, truth %7.2f J (%+.2f%%)\n", kinds[i], e.joules,
                              e.uncertainty, phase_truth(&s, i), 100 * error);
            worst = fmax(worst, fabs(error));
        }
        cn_profiler_free(p);
    }
    print_message("worst phase of 20 sessions: %.2f%% off\n", 100 * worst);
    assert_true(worst <= 0.02);
    tree_remove(&tree);
}

/* Power that has nothing to do with the phases, or that never changes, fits nowhere. */
static void test_refusals(void **unused)
{
    (void)unused;
    struct tree tree = tree_create();
    char trace[1024], log[1024];
    tree_path(&tree, "trace.jsonl", trace);
    tree_path(&tree, "samples.csv", log);
    static struct session s;
    state = 5;
    make_session(&s);
    write_trace(&s, trace);
    static const char *const why[] = { "too few samples", "fit the trace nowhere",
                                       "too few samples" };
    for (int kind = 0; kind < 3; kind++) {
        FILE *f = fopen(log, "w");
        assert_non_null(f);
        fputs("timestamp_ms,power_w\n", f);
        for (int i = 0; i < (kind == 2 ? 5 : 500); i++)
            fprintf(f, "%lld,%.3f\n", (long long)((mono + realtime) / 1000000 + 100LL * i),
                    kind == 1 ? between(1, 9) : 3.0);
        fclose(f);
        struct cn_attribute_options o = { .search_ms = 5000 };
        struct cn_profiler_error err = { "" };
        assert_null(cn_attribute_files(trace, log, &o, &err));
        if (!strstr(err.text, why[kind]))
            fail_msg("expected \"%s\", found \"%s\"", why[kind], err.text);
        o.search_ms = -1;
        assert_null(cn_attribute_files(trace, log, &o, &err));
    }
    tree_remove(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock_is_found),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

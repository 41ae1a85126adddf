/* SPDX-License-Identifier: MIT
 *
 * A simulated machine that uses watts at rest, and joules for each byte, operation and unpacked
 * weight: the sweep runs real models on it, the powercap counter shows what they would have used,
 * and the fitted model has to tell the configurations that it has not seen.
 */
#include "bench/machine/energy_sweep.h"

#include "engine/tools.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/arch_fixture.h"
#include "tests/starved.h"
#include "tests/sysfs_tree.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SLOWER = 5 };
#else
enum { SLOWER = 1 };
#endif

static const double truth[CN_MODEL_TERMS] = { 3, 300e-12, 4e-12, 150e-12 };

struct machine {
    int fd;
    int64_t since_ns;
    double uj;
    uint64_t random;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double uniform(struct machine *m)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(m->random >> 11) / 9007199254740992.0;
}

/* Moved by the thread that works after each pass, so the counter is never late. Work costs 10% more
 * or less from pass to pass. */
static void told(void *user, const struct cn_work *pass)
{
    struct machine *m = user;
    int64_t now = now_ns();
    double work = truth[1] * (double)pass->bytes + truth[2] * (double)pass->int8_ops +
                  truth[3] * (double)pass->unpacked;
    m->uj += 1e-3 * truth[0] * (double)(now - m->since_ns) + 1e6 * work * (0.9 + 0.2 * uniform(m));
    m->since_ns = now;
    char text[32];
    int n = snprintf(text, sizeof text, "%.0f\n            ", m->uj);
    assert_int_equal(pwrite(m->fd, text, (size_t)n, 0), n);
}

enum { N_MODELS = 4 };

/* Models that were not in the sweep. */
static void predict_others(const struct cn_energy_model *m, const char *path)
{
    const char *why;
    struct cn_model *other = fixture_open(path, NULL);
    struct cn_prediction prediction;
    assert_int_equal(m->n_times, 2);
    assert_true(cn_energy_predict(m, other, true, 0, 2, &prediction, &why));
    assert_true(prediction.j_lo < prediction.j_per_token &&
                prediction.j_per_token < prediction.j_hi && prediction.s_per_token > 0);
    assert_false(cn_energy_predict(m, other, true, 0, 3, &prediction, &why));
    cn_model_close(other);
    other = fixture_open("models/prose-8m-f16.gguf", NULL);
    assert_false(cn_energy_predict(m, other, true, 0, 2, &prediction, &why));
    assert_non_null(strstr(why, "float"));
    cn_model_close(other);
}

/* Whether the held-out configurations are told. *gaps: repetitions without joules, in which the
 * counter stood still for so long that the meter took it for stopped. */
static bool sweep(const struct tree *t, const char *const *models, bool *gaps)
{
    char path[1024];
    tree_zone(t, "intel-rapl:0", "package-0", 5000000, 262143328850);
    tree_path(t, "sys/class/powercap/intel-rapl:0/energy_uj", path);
    struct machine machine = {
        .fd = open(path, O_WRONLY), .uj = 5000000, .since_ns = now_ns(), .random = 9
    };
    assert_true(machine.fd >= 0);
    struct cn_profiler_options po = { .root = t->root, .meter = "powercap" };
    struct cn_profiler_error perr = { "" };
    struct cn_profiler *p = cn_profiler_create(&po, &perr);
    if (!p || cn_profiler_start(p, &perr) != 0)
        fail_msg("%s", perr.text);
    const int threads[] = { 1, 2 };
    struct cn_sweep_options o = { .models = models,
                                  .n_models = N_MODELS,
                                  .threads = threads,
                                  .n_threads = 2,
                                  .n_prefill = 32,
                                  .n_decode = 64,
                                  .n_rounds = 2,
                                  .seconds = 0.1 * SLOWER,
                                  .profiler = p,
                                  .told = told,
                                  .user = &machine };
    struct cn_sweep *s;
    struct cn_error err;
    if (cn_sweep_run(&o, &s, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_profiler_stop(p, NULL), 0);
    int n;
    const char *why;
    struct cn_sweep_point *points = cn_sweep_price(s, p, &n, &why);
    *gaps = why != NULL;
    if (why)
        print_message("%s\n", why);
    assert_int_equal(n, N_MODELS * 2 * 2);
    struct cn_energy_model m;
    double worst = cn_energy_fit(points, n, &m, &why) ? 0 : 1;
    for (int i = 0; i < n; i++) {
        const struct cn_sweep_point *x = &points[i];
        if (!x->held_out)
            continue;
        print_message("%-6s %d threads %-7s %7.3f J +- %.3f, predicted %7.3f +- %.3f (%+.2f%%)\n",
                      x->file_type, x->threads, x->decode ? "decode" : "prefill", x->joules,
                      x->uncertainty, x->predicted, x->half, 100 * (x->predicted / x->joules - 1));
        worst = fmax(worst, fabs(x->predicted / x->joules - 1));
    }
    print_message("%.3f W, %.1f pJ/byte, %.2f pJ/op, %.1f pJ/weight; worst held out %.2f%%\n",
                  m.coef[0], 1e12 * m.coef[1], 1e12 * m.coef[2], 1e12 * m.coef[3], 100 * worst);
    if (worst <= 0.03) {
        assert_int_equal(m.n_held_out, n / 4);
        assert_true(fabs(m.held_out_error - worst) < 1e-12);
        predict_others(&m, models[0]);
    }
    cn_sweep_free(s);
    cn_profiler_free(p);
    close(machine.fd);
    return worst <= 0.03;
}

static void test_held_out_configurations(void **state)
{
    (void)state;
    static const char *const types[N_MODELS] = { "Q8_0", "Q5_0", "Q4_0", "Q4_1" };
    struct tree t = tree_create();
    static char paths[N_MODELS][1024];
    const char *models[N_MODELS];
    for (int i = 0; i < N_MODELS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.gguf", types[i]);
        tree_path(&t, name, paths[i]);
        models[i] = paths[i];
        struct cn_quantize_options o = { .type = types[i], .pure = true };
        struct cn_file_result r;
        struct cn_error err;
        if (cn_quantize_file("models/prose-8m-f16.gguf", paths[i], &o, &r, &err) != CN_OK)
            fail_msg("%s", err.text);
    }
    /* When this program was kept from the CPU at the wrong moments, nothing can be said. */
    bool good = false, disturbed = true, gaps;
    for (int tries = 0; tries < 3 && !good; tries++) {
        const struct starved before = starved_begin();
        good = sweep(&t, models, &gaps);
        disturbed = disturbed && (gaps || starved_since(&before));
    }
    tree_remove(&t);
    if (!good && !disturbed)
        fail_msg("three times more than 3%% off");
    if (!good) {
        print_message(
            "SKIPPED: the machine is too busy to simulate another: passes waited for a CPU, "
            "or the counter that they move stood still\n");
        skip();
    }
}

/* Numbers alone: the terms come back, floats are left out, and negative ones are held at 0. */
static void test_fit(void **state)
{
    (void)state;
    struct cn_sweep_point points[20];
    struct machine m = { .random = 3 };
    for (int i = 0; i < 20; i++) {
        points[i] = (struct cn_sweep_point){ .threads = 1 + i % 2, .held_out = i % 4 == 3 };
        struct cn_model_row *x = &points[i].took;
        x->x[0] = 1 + uniform(&m);
        x->x[1] = 1e10 * uniform(&m);
        x->x[2] = 1e12 * uniform(&m);
        x->x[3] = 1e10 * uniform(&m);
        for (int k = 0; k < CN_MODEL_TERMS; k++)
            points[i].joules += truth[k] * x->x[k];
        points[i].uncertainty = 0.01;
    }
    struct cn_energy_model model;
    const char *why;
    points[0].floats = true;
    points[0].joules *= 3;
    assert_true(cn_energy_fit(points, 20, &model, &why));
    assert_int_equal(model.n_fitted, 14);
    for (int k = 0; k < CN_MODEL_TERMS; k++)
        assert_true(fabs(model.coef[k] / truth[k] - 1) < 1e-6);
    assert_true(model.held_out_error < 1e-6);
    for (int i = 0; i < 20; i++)
        points[i].joules -= 3e-12 * points[i].took.x[2] + 6e-12 * points[i].took.x[2];
    assert_true(cn_energy_fit(points, 20, &model, &why));
    assert_true(model.coef[2] >= 0 && model.coef[2] < 1e-30);
    for (int i = 0; i < 20; i++)
        points[i].joules = (double)NAN;
    assert_false(cn_energy_fit(points, 20, &model, &why));
    assert_non_null(why);
}

int main(void)
{
    /* A real counter does not wait for a CPU: ask to go before others, where that is allowed. */
    struct sched_param first = { .sched_priority = 1 };
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_out_configurations),
        cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "bench/model/bench_suite.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/arch_fixture.h"

static const char *const models[] = { "tests/fixtures/arch/qwen2-odd.gguf",
                                      "tests/fixtures/arch/qwen3moe.gguf" };

struct watch {
    int told;
    double total;
    int stop_at; /* tests after which it is cancelled; 0: never */
};

static void progress(void *user, double done, double total)
{
    struct watch *w = user;
    assert_true(done == ++w->told);
    w->total = total;
}

static bool cancel(void *user)
{
    const struct watch *w = user;
    return w->stop_at && w->told >= w->stop_at;
}

static struct cn_bench_suite_options options(struct watch *w, enum cn_bench_kind kind)
{
    struct cn_profiler_error err;
    struct cn_profiler_options none = { .meter = "none" };
    struct cn_bench_suite_options o = {
        .models = models,
        .n_models = 2,
        .prefill = {{ 8 },        1},
        .decode = { { 3, 0, 5 }, 3},
        .depth = { { 0, 4 },    2},
        .threads = { { 1 },       1},
        .lanes = { { 1 },       1},
        .n_reps = 2,
        .kind = kind,
        .progress = progress,
        .cancel = cancel,
        .user = w
    };
    o.profiler = cn_profiler_create(&none, &err);
    assert_non_null(o.profiler);
    assert_int_equal(cn_profiler_start(o.profiler, &err), 0);
    return o;
}

/* Each model, depth and length once, in this order; lengths of 0 are no tests. */
static void all_tests(void **state)
{
    (void)state;
    struct watch w = { 0 };
    struct cn_bench_suite_options o = options(&w, CN_BENCH_SPLIT);
    struct cn_bench_row *rows;
    size_t n;
    struct cn_error err = { "" };
    assert_int_equal(cn_bench_suite_run(&o, &rows, &n, &err), CN_OK);
    static const int32_t lengths[] = { 8, 3, 5 };
    assert_int_equal(n, 12);
    assert_int_equal(w.told, 12);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(rows[i].model, models[i / 6]);
        assert_int_equal(rows[i].depth, i / 3 % 2 ? 4 : 0);
        assert_int_equal(rows[i].n_tokens, lengths[i % 3]);
        assert_int_equal(rows[i].decode, i % 3 > 0);
        assert_int_equal(rows[i].threads, 1);
        assert_true(rows[i].result.tps_lo > 0);
        assert_true(isnan(rows[i].kld_mean));
        assert_true(isnan(rows[i].result.limit)); /* the machine is not measured */
        assert_true(cn_spans_of_op(&rows[i].spans, CN_OP_QKV) > 0);
        assert_null(rows[i].explain);
        assert_null(rows[i].mix);
    }
    assert_string_equal(rows[11].architecture, "qwen3moe");
    cn_bench_rows_free(rows, n);
    cn_profiler_free(o.profiler);
}

/* Prefill is of one sequence; what is decoded together counts for all. */
static void lanes(void **state)
{
    (void)state;
    struct watch w = { 0 };
    struct cn_bench_suite_options o = options(&w, CN_BENCH_SPLIT);
    o.decode = (struct cn_int_list){ { 5 }, 1 };
    o.lanes = (struct cn_int_list){
        {1, 3, 16},
        3
    };
    struct cn_bench_row *rows;
    size_t n;
    struct cn_error err = { "" };
    assert_int_equal(cn_bench_suite_run(&o, &rows, &n, &err), CN_OK);
    static const int32_t of[] = { 1, 1, 3, 16 };
    assert_int_equal(n, 16);
    assert_int_equal(w.told, 16);
    for (size_t i = 0; i < n; i++) {
        const struct cn_bench_result *r = &rows[i].result;
        const double tokens = (double)r->total_tokens, seconds = (double)r->busy_ns * 1e-9;
        assert_int_equal(rows[i].lanes, of[i % 4]);
        assert_int_equal(rows[i].decode, i % 4 > 0);
        assert_int_equal(r->total_tokens, o.n_reps * rows[i].n_tokens * rows[i].lanes);
        /* Of two repetitions the mean by time lies between their speeds. */
        assert_true(tokens / seconds >= r->tps_lo && tokens / seconds <= r->tps_hi);
    }
    cn_bench_rows_free(rows, n);
    w = (struct watch){ 0 };
    o.lanes = (struct cn_int_list){ { CN_MAX_LANES + 1 }, 1 };
    assert_int_equal(cn_bench_suite_run(&o, &rows, &n, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "lanes: 1 to 16"));
    cn_bench_rows_free(rows, n);
    cn_profiler_free(o.profiler);
}

static void explained(void **state)
{
    (void)state;
    struct watch w = { 0 };
    struct cn_bench_suite_options o = options(&w, CN_BENCH_EXPLAIN);
    o.n_models = o.depth.n = 1;
    o.decode.n = 0;
    struct cn_bench_row *rows;
    size_t n;
    struct cn_error err = { "" };
    assert_int_equal(cn_bench_suite_run(&o, &rows, &n, &err), CN_OK);
    assert_int_equal(n, 1);
    assert_non_null(rows[0].explain);
    assert_true(rows[0].limits.read_gbps > 0);
    assert_true(rows[0].explain->n > 1);
    cn_bench_rows_free(rows, n);
    cn_profiler_free(o.profiler);
}

/* What was finished before is there. */
static void stopped(void **state)
{
    (void)state;
    struct watch w = { .stop_at = 4 };
    struct cn_bench_suite_options o = options(&w, CN_BENCH_SPLIT);
    struct cn_bench_row *rows;
    size_t n;
    struct cn_error err = { "" };
    assert_int_equal(cn_bench_suite_run(&o, &rows, &n, &err), CN_ERR_CANCELLED);
    assert_int_equal(n, 4);
    cn_bench_rows_free(rows, n);
    const char *absent[] = { models[0], "no/such.gguf" };
    w = (struct watch){ 0 };
    o.models = absent;
    assert_int_not_equal(cn_bench_suite_run(&o, &rows, &n, &err), CN_OK);
    assert_int_equal(n, 6);
    assert_non_null(strstr(err.text, "no/such.gguf"));
    cn_bench_rows_free(rows, n);
    cn_profiler_free(o.profiler);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_tests), cmocka_unit_test(lanes),
                                        cmocka_unit_test(explained), cmocka_unit_test(stopped) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

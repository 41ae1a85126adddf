/* SPDX-License-Identifier: MIT */
#include "bench/model/watched_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/arch_fixture.h"

#define MODEL "tests/fixtures/arch/qwen2-odd.gguf"

static struct cn_profiler *started(void)
{
    struct cn_profiler_error err;
    struct cn_profiler_options none = { .meter = "none" };
    struct cn_profiler *p = cn_profiler_create(&none, &err);
    assert_non_null(p);
    assert_int_equal(cn_profiler_start(p, &err), 0);
    return p;
}

static void phases(void **state)
{
    (void)state;
    struct cn_error err;
    struct cn_model *model;
    struct cn_session *session;
    struct cn_session_options o = { .n_ctx = 16, .n_threads = 1 };
    struct cn_watched_load load = {
        .profiler = started(), .idle_s = 0.05, .path = MODEL, .session = &o
    };
    assert_int_equal(cn_watched_load(&load, &model, &session, &err), CN_OK);
    assert_int_equal(cn_session_n_ctx(session), 16);
    cn_session_free(session);
    cn_model_close(model);
    assert_int_equal(cn_profiler_n_phases(load.profiler), 2); /* idle, load */
    cn_idle_phase(load.profiler, 0, 1);
    assert_int_equal(cn_profiler_n_phases(load.profiler), 2);

    /* Without what is not asked for. */
    load.idle_s = 0;
    load.session = NULL;
    assert_int_equal(cn_watched_load(&load, &model, &session, &err), CN_OK);
    assert_non_null(model);
    assert_null(session);
    cn_model_close(model);
    load.path = NULL;
    assert_int_equal(cn_watched_load(&load, &model, &session, &err), CN_OK);
    assert_null(model);
    assert_int_equal(cn_profiler_n_phases(load.profiler), 4);
    cn_profiler_free(load.profiler);
}

static void failures(void **state)
{
    (void)state;
    struct cn_error err;
    struct cn_model *model;
    struct cn_session *session;
    struct cn_session_options o = { .n_ctx = -1 };
    struct cn_watched_load load = { .profiler = started(), .path = "no/such.gguf", .session = &o };
    assert_int_not_equal(cn_watched_load(&load, &model, &session, &err), CN_OK);
    assert_null(model);
    assert_null(session);
    load.path = MODEL;
    assert_int_not_equal(cn_watched_load(&load, &model, &session, &err), CN_OK);
    assert_non_null(model); /* is the caller's */
    assert_null(session);
    cn_model_close(model);
    cn_profiler_free(load.profiler);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(phases), cmocka_unit_test(failures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * While a session evaluates, denormal numbers are zeros on every thread that takes part, and on the
 * caller's what they were before and after.
 */
#include "tests/arch_fixture.h"

#include "base/threads.h"
#include "engine/run/group.h"
#include "engine/run/session.h"

#include <sched.h>

enum { CTX = 40, THREADS = 2 };

enum mode { UNKNOWN, KEPT, FLUSHED };

static enum mode mode_here(void)
{
    volatile float denormal = 1e-40f, large = 1e20f;
    return denormal * large == 0 ? FLUSHED : KEPT;
}

static void note_span(void *user, enum cn_op op, int layer, const char *format)
{
    enum mode *mode = user;
    (void)op;
    (void)layer;
    (void)format;
    *mode = mode_here();
}

static void note_thread(void *context, int chunk, int thread)
{
    enum mode *modes = context;
    (void)chunk;
    modes[thread] = mode_here();
    sched_yield();
}

static void on_every_thread(void **state)
{
    struct cn_json *doc = fixture_manifest("tests/fixtures/arch/manifest.json");
    struct cn_error err = { "" };
    struct fixture f;
    enum mode evaluating = UNKNOWN, modes[THREADS] = { UNKNOWN };
    const struct cn_session_options o = {
        .n_ctx = CTX,
        .n_threads = THREADS,
        .callbacks = {.span_begin = note_span, .user = &evaluating}
    };
    (void)state;
    assert_true(fixture_load(&f, cn_json_root(doc)->first, "", "logits"));
    struct cn_model *m = fixture_open(f.model, NULL);
    struct cn_session *s = fixture_session(m, &o);
    assert_int_equal(cn_session_eval(s, f.tokens, 3, CN_WANT_LAST, &err), CN_OK);
    assert_int_equal(evaluating, FLUSHED);
    assert_int_equal(mode_here(), KEPT);
    for (int tries = 0; tries < 1000 && modes[1] == UNKNOWN; tries++)
        cn_pool_run(s->group->pool, THREADS, note_thread, modes, 100);
    assert_int_equal(modes[0], KEPT);
    assert_int_equal(modes[1], FLUSHED);
    cn_session_free(s);
    cn_model_close(m);
    fixture_free(&f);
    cn_json_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_every_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

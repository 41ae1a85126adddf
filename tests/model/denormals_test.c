/* SPDX-License-Identifier: MIT
 *
 * No evaluation computes with denormal numbers, which Intel's CPUs take a hundred times as long
 * for: neither what happens to lie in its memory nor what models come to is one to any operation.
 * The CPU says so itself (MXCSR's flag of denormal operands), which makes this a test for x86
 * alone.
 */
#include "tests/arch_fixture.h"

#include "base/threads.h"
#include "engine/run/group.h"
#include "engine/run/session.h"

#if defined(__x86_64__)

#include <sched.h>
#include <xmmintrin.h>

enum { TOKENS = 12, CTX = 40, THREADS = 2, DENORMAL_OPERAND = 2, DENORMALS_ARE_ZERO = 0x40 };

static void poison(const struct cn_group *g)
{
    uint32_t *at = (void *)g->thread_scratch;
    for (size_t i = 0; i < g->thread_scratch_bytes / sizeof *at; i++)
        at[i] = 1;
}

static void check(const struct fixture *f, const struct cn_model *m, enum cn_kv_type kv)
{
    /* Tokens at once, one after the other: single, few and many. */
    static const int32_t steps[] = { TOKENS, 1, 3, 1 };
    const struct cn_session_options o = {
        .n_ctx = CTX, .n_batch = TOKENS, .n_threads = 1, .kv = kv
    };
    struct cn_session *s;
    struct cn_error err = { "" };
    if (cn_session_create(m, &o, &s, &err) != CN_OK) {
        assert_non_null(strstr(err.text, "a q8_0 KV cache needs rows"));
        return;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int32_t tokens[TOKENS];
        for (int32_t k = 0; k < steps[i]; k++)
            tokens[k] = f->tokens[(cn_session_position(s) + k) % f->n_tokens];
        poison(s->group);
        _mm_setcsr(_mm_getcsr() & ~(unsigned)DENORMAL_OPERAND);
        if (cn_session_eval(s, tokens, steps[i], CN_WANT_LAST, &err) != CN_OK)
            fail_msg("%s", err.text);
        if (_mm_getcsr() & DENORMAL_OPERAND)
            fail_msg("%s, kv %d: %d tokens computed with denormal numbers", f->model, (int)kv,
                     steps[i]);
    }
    assert_false(_mm_getcsr() & DENORMALS_ARE_ZERO); /* here it is as it was */
    cn_session_free(s);
}

static void note_mode(void *context, int chunk, int thread)
{
    unsigned *modes = context;
    (void)chunk;
    modes[thread] |= _mm_getcsr();
    sched_yield();
}

/* The threads that help are told apart from the one that calls. */
static void other_threads(void **state)
{
    struct cn_json *doc = fixture_manifest("tests/fixtures/arch/manifest.json");
    struct fixture f;
    unsigned modes[THREADS] = { 0 };
    (void)state;
    assert_true(fixture_load(&f, cn_json_root(doc)->first, "", "logits"));
    struct cn_model *m = fixture_open(f.model, NULL);
    struct cn_session *s =
        fixture_session(m, &(struct cn_session_options){ .n_ctx = CTX, .n_threads = THREADS });
    for (int tries = 0; tries < 1000 && !modes[1]; tries++)
        cn_pool_run(s->group->pool, THREADS, note_mode, modes, 100);
    assert_false(modes[0] & DENORMALS_ARE_ZERO);
    assert_true(modes[1] & DENORMALS_ARE_ZERO);
    cn_session_free(s);
    cn_model_close(m);
    fixture_free(&f);
    cn_json_free(doc);
}

static void every_architecture(void **state)
{
    static const char *const manifests[] = { "tests/fixtures/arch/manifest.json",
                                             "tests/fixtures/arch2/manifest.json" };
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cn_json *doc = fixture_manifest(manifests[i]);
        for (const struct cn_json_value *e = cn_json_root(doc)->first; e; e = e->next) {
            struct fixture f;
            if (fixture_load(&f, e, "", "logits")) {
                struct cn_model *m = fixture_open(f.model, NULL);
                for (enum cn_kv_type kv = CN_KV_F16; kv <= CN_KV_Q8_0; kv++)
                    check(&f, m, kv);
                cn_model_close(m);
                n++;
            }
            fixture_free(&f);
        }
        cn_json_free(doc);
    }
    printf("%zu models\n", n);
    assert_true(n >= 28);
}

#else

static void every_architecture(void **state)
{
    (void)state;
    puts("SKIPPED: only x86 says whether it computed with denormal numbers");
    skip();
}

static void other_threads(void **state)
{
    every_architecture(state);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture),
        cmocka_unit_test(other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Going back in sessions whose layers keep a state: which copies there are, which one goes, and how
 * many tokens are evaluated once more from the nearest.
 */
#include "engine/run/copies.h"

#include "tests/arch_fixture.h"

#include <math.h>

enum { MANY = 120 };
static int32_t tokens[MANY];

/* A short convolution, a delta net, a state space, and one beside attention. */
static const char *const models[] = { "lfm2.gguf", "qwen35-untied.gguf", "mamba2.gguf",
                                      "falcon-h1-norm.gguf" };

/* Between the layers of each pass; a pass is one token here. */
static int asked, allowed;

static bool count(void *user)
{
    (void)user;
    return ++asked > allowed;
}

static struct cn_session *s;

static void eval(int32_t first, int32_t n)
{
    struct cn_error err = { "" };
    if (cn_session_eval(s, tokens + first, n, CN_WANT_LAST, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static void eval_singly(int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++)
        eval(i, 1);
}

/* Tokens evaluated since `asked` was 0. */
static int evaluated(void)
{
    assert_int_equal(asked % s->model->hp.n_layer, 0);
    return asked / (int)s->model->hp.n_layer;
}

static void go_back(int32_t position, int n_again)
{
    struct cn_error err = { "" };
    asked = 0;
    if (cn_session_rewind(s, position, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_session_position(s), position);
    assert_null(cn_session_logits(s, 0));
    assert_int_equal(evaluated(), n_again);
}

/* tokens[0..n - n_other), and behind them others. */
static int32_t prompt_kept(int32_t n, int32_t n_other, int n_evaluated)
{
    struct cn_error err = { "" };
    int32_t text[MANY], n_kept = -1;
    memcpy(text, tokens, sizeof text);
    for (int32_t i = n - n_other; i < n; i++)
        text[i] = n;
    asked = 0;
    if (cn_session_prompt(s, text, n, &n_kept, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_session_position(s), n);
    assert_int_equal(evaluated(), n_evaluated);
    assert_non_null(cn_session_logits(s, 0));
    return n_kept;
}

static float *logits_now(void)
{
    const size_t bytes = (size_t)s->model->hp.n_vocab * sizeof(float);
    float *logits = malloc(bytes);
    assert_non_null(logits);
    assert_non_null(cn_session_logits(s, 0));
    return memcpy(logits, cn_session_logits(s, 0), bytes);
}

static void expect_logits(const float *expected)
{
    const float *got = cn_session_logits(s, 0);
    assert_non_null(got);
    for (int64_t i = 0; i < s->model->hp.n_vocab; i++)
        if (!(fabsf(got[i] - expected[i]) <= 5e-4f)) /* tol_strict of these fixtures */
            fail_msg("logit %d: %g, %g expected", (int)i, (double)got[i], (double)expected[i]);
}

static void with_models(void (*check)(void))
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[512];
        assert_true(fixture_path(path, sizeof path, models[i]));
        struct cn_model *m = fixture_open(path, NULL);
        struct cn_session_options o = { .n_ctx = 128,
                                        .n_batch = 1,
                                        .n_threads = 1,
                                        .kv = CN_KV_F32,
                                        .callbacks = { .cancel = count } };
        s = fixture_session(m, &o);
        allowed = INT32_MAX;
        check();
        cn_session_free(s);
        cn_model_close(m);
    }
}

static void check_prompts(void)
{
    eval(0, 20); /* a prompt */
    eval_singly(20, 30);
    go_back(25, 5); /* from its end; and rewinding leaves a copy */
    eval_singly(90, 94);
    go_back(25, 0);
    go_back(20, 0);
    eval_singly(20, 25);
    float *straight = logits_now();
    eval_singly(25, 28);
    go_back(24, 4);
    eval(24, 1);
    expect_logits(straight);
    go_back(19, 19); /* before the first copy */
    eval(19, 1);
    eval_singly(20, 25);
    expect_logits(straight);
    go_back(0, 0);
    go_back(0, 0);
    eval_singly(0, 25);
    expect_logits(straight);
    free(straight);
}

static void prompts(void **state)
{
    (void)state;
    with_models(check_prompts);
}

/* Of the ends of prompts three remain, the ones used last; the mark stays. */
static void check_bound(void)
{
    eval_singly(0, 5);
    cn_session_mark(s);
    for (int32_t i = 5; i < 65; i += 10)
        eval(i, 10); /* copies of 35, 45 and 55 are left, and 65 is not left behind yet */
    go_back(65, 0);
    go_back(64, 9);
    eval(64, 1); /* takes the place of 35 */
    go_back(63, 8);
    go_back(50, 5);
    go_back(44, 39); /* from the mark */
    go_back(5, 0);
    eval(80, 10);
    cn_session_mark(s); /* in place of the first */
    eval(90, 1);
    go_back(15, 0);
    go_back(6, 6);
}

static void bound(void **state)
{
    (void)state;
    with_models(check_bound);
}

static void check_same_beginnings(void)
{
    assert_int_equal(prompt_kept(30, 0, 30), 0);
    float *end = logits_now();
    eval_singly(30, 35);
    assert_int_equal(prompt_kept(30, 0, 0), 30); /* the logits are kept too */
    expect_logits(end);
    assert_int_equal(prompt_kept(40, 5, 10), 30);
    /* Other endings of the same beginning: from the second on it is paid for. */
    assert_int_equal(prompt_kept(40, 12, 40), 0);
    assert_int_equal(prompt_kept(45, 17, 17), 28);
    assert_int_equal(prompt_kept(29, 1, 1), 28);
    assert_int_equal(prompt_kept(30, 0, 2), 28);
    expect_logits(end);
    free(end);
}

static void same_beginnings(void **state)
{
    (void)state;
    with_models(check_same_beginnings);
}

static int observed;

static void observe(void *user, const struct cn_product *products, int n)
{
    (void)user;
    (void)products;
    observed += n;
}

/* Whoever looks at products has seen those of tokens that are evaluated once more. */
static void check_observers(void)
{
    s->group->observe = observe;
    eval_singly(0, 10);
    observed = 0;
    go_back(7, 7);
    assert_int_equal(observed, 0);
    eval(7, 1);
    assert_true(observed > 0);
    s->group->observe = NULL;
}

static void observers(void **state)
{
    (void)state;
    with_models(check_observers);
}

/* A rewind that is cancelled stands before where it was to go, and all goes on from there. */
static void check_cancelling(void)
{
    struct cn_error err = { "" };
    const int n_layer = (int)s->model->hp.n_layer;
    eval_singly(0, 25);
    float *straight = logits_now();
    asked = 0;
    allowed = 4 * n_layer + 1; /* in the fifth token */
    assert_int_equal(cn_session_rewind(s, 20, &err), CN_ERR_CANCELLED);
    assert_int_equal(cn_session_position(s), 4);
    allowed = INT32_MAX;
    asked = 0;
    eval_singly(4, 25);
    assert_int_equal(evaluated(), 4 + 21);
    expect_logits(straight);
    free(straight);
}

static void cancelling(void **state)
{
    (void)state;
    with_models(check_cancelling);
}

int main(void)
{
    for (int32_t i = 0; i < MANY; i++)
        tokens[i] = 20 + i * 37 % 250;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts),         cmocka_unit_test(bound),
        cmocka_unit_test(same_beginnings), cmocka_unit_test(observers),
        cmocka_unit_test(cancelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

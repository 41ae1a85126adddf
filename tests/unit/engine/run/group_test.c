/* SPDX-License-Identifier: MIT
 *
 * Groups: who may join, what refuses an evaluation as a whole, where a cancelled one leaves the
 * sessions, how the work of a pass is divided, and that weights are read once for all.
 */
#include "tests/arch_fixture.h"

#include <math.h>

#define ARCH  "tests/fixtures/arch/"
#define ARCH2 "tests/fixtures/arch2/"

enum { CTX = 40, N = 30, LANES = 3 };
static int32_t tokens[N];

static struct cn_group *group;
static struct cn_session *lanes[LANES];
static struct cn_error err;

static void open_group(const struct cn_model *m, struct cn_callbacks callbacks)
{
    const struct cn_session_options o = { .n_ctx = CTX,
                                          .n_batch = 16,
                                          .n_logits = 4,
                                          .n_threads = 2,
                                          .kv = CN_KV_F32,
                                          .sleep = true,
                                          .callbacks = callbacks };
    assert_int_equal(cn_group_create(m, &o, LANES, &group, &err), CN_OK);
    for (int i = 0; i < LANES; i++)
        assert_int_equal(cn_group_join(group, &lanes[i], &err), CN_OK);
}

static void close_group(void)
{
    for (int i = 0; i < LANES; i++)
        cn_session_free(lanes[i]);
    cn_group_free(group);
}

static struct cn_step step(int lane, int32_t first, int32_t n, enum cn_want want)
{
    return (struct cn_step){ lanes[lane], tokens + first, n, want };
}

static void refused(enum cn_status status, size_t n_steps, const struct cn_step *steps,
                    const char *why)
{
    int32_t before[LANES];
    const float *logits[LANES];
    for (int i = 0; i < LANES; i++) {
        before[i] = cn_session_position(lanes[i]);
        logits[i] = cn_session_logits(lanes[i], 0);
    }
    assert_int_equal(cn_group_eval(group, steps, n_steps, &err), status);
    if (!strstr(err.text, why))
        fail_msg("'%s' expected in: %s", why, err.text);
    for (int i = 0; i < LANES; i++) {
        assert_int_equal(cn_session_position(lanes[i]), before[i]);
        assert_ptr_equal(cn_session_logits(lanes[i], 0), logits[i]);
    }
}

static void refusals(void **state)
{
    static const int32_t bad = 1 << 30;
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct cn_group *other = NULL;
    struct cn_session *more = NULL;
    (void)state;
    assert_int_equal(cn_group_create(m, NULL, 0, &other, &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_group_create(m, NULL, CN_MAX_LANES + 1, &other, &err), CN_ERR_ARGUMENT);
    assert_null(other);
    open_group(m, (struct cn_callbacks){ 0 });
    assert_int_equal(cn_group_join(group, &more, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "3 sessions"));
    assert_null(more);

    struct cn_step steps[LANES] = { step(0, 0, 20, CN_WANT_LAST), step(1, 5, 3, CN_WANT_ALL),
                                    step(2, 9, 1, CN_WANT_NONE) };
    assert_int_equal(cn_group_eval(group, steps, 3, &err), CN_OK);
    assert_non_null(cn_session_logits(lanes[0], 0));
    assert_non_null(cn_session_logits(lanes[1], 2));
    assert_null(cn_session_logits(lanes[2], 0));
    /* One that cannot be done refuses all. */
    steps[1] = step(1, 0, 5, CN_WANT_ALL);
    refused(CN_ERR_ARGUMENT, 2, steps, "step 1: logits of 5");
    steps[1] = (struct cn_step){ lanes[1], &bad, 1, CN_WANT_LAST };
    refused(CN_ERR_ARGUMENT, 2, steps, "step 1: token 0");
    steps[1] = step(1, 0, 0, CN_WANT_LAST);
    refused(CN_ERR_ARGUMENT, 2, steps, "step 1: at least one token");
    steps[1] = step(1, 0, 1, CN_WANT_LAST);
    steps[0] = step(0, 0, 21, CN_WANT_LAST);
    refused(CN_ERR_CONTEXT, 2, steps, "step 0: the context of 40 tokens is full: 20 used");
    steps[0] = step(1, 0, 1, CN_WANT_LAST);
    refused(CN_ERR_ARGUMENT, 2, steps, "step 1: a session of its own");
    const struct cn_session_options o = { .n_ctx = CTX, .n_threads = 1 };
    more = fixture_session(m, &o);
    steps[0].session = more;
    refused(CN_ERR_ARGUMENT, 2, steps, "step 0: a session of another group");
    assert_int_equal(cn_session_fork(more, lanes[0], &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_session_fork(lanes[0], lanes[0], &err), CN_ERR_ARGUMENT);
    cn_session_free(more);
    assert_int_equal(cn_group_eval(group, steps, 0, &err), CN_OK);
    /* Who leaves makes room. */
    cn_session_free(lanes[1]);
    assert_int_equal(cn_group_join(group, &lanes[1], &err), CN_OK);
    assert_int_equal(cn_session_position(lanes[1]), 0);
    close_group();
    cn_model_close(m);
}

static int n_outputs;

static void count_outputs(void *user, enum cn_op op, int layer, const char *format)
{
    (void)user;
    (void)layer;
    (void)format;
    n_outputs += op == CN_OP_OUTPUT;
}

/* A context shorter than the lanes are many does not cut their pass in pieces. */
static void one_pass(void **state)
{
    const struct cn_session_options o = { .n_ctx = 2,
                                          .n_threads = 1,
                                          .callbacks = { .span_begin = count_outputs } };
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct cn_step steps[LANES];
    (void)state;
    assert_int_equal(cn_group_create(m, &o, LANES, &group, &err), CN_OK);
    for (int i = 0; i < LANES; i++) {
        assert_int_equal(cn_group_join(group, &lanes[i], &err), CN_OK);
        steps[i] = step(i, i, 2, CN_WANT_LAST);
    }
    n_outputs = 0;
    assert_int_equal(cn_group_eval(group, steps, LANES, &err), CN_OK);
    assert_int_equal(n_outputs, 1);
    close_group();
    cn_model_close(m);
}

static int asked, allowed;

static bool cancel_late(void *user)
{
    (void)user;
    return ++asked > allowed;
}

/* In the second pass of three: who was evaluated in the first stands behind that, and all go on
 * from where they are as if nothing had been. */
static void check_cancelling(const char *path)
{
    struct cn_model *m = fixture_open(path, NULL);
    const size_t bytes = (size_t)cn_model_get_info(m)->n_vocab * sizeof(float);
    float *straight[LANES];
    open_group(m, (struct cn_callbacks){ .cancel = cancel_late });
    const struct cn_step steps[] = { step(0, 1, 3, CN_WANT_LAST), step(1, 2, 20, CN_WANT_LAST),
                                     step(2, 0, 18, CN_WANT_LAST) };
    const struct cn_step before[] = { step(0, 0, 1, CN_WANT_NONE), step(1, 0, 2, CN_WANT_NONE),
                                      step(2, 5, 3, CN_WANT_NONE) };
    for (int round = 0; round < 2; round++) {
        allowed = 1 << 20;
        for (int i = 0; i < LANES; i++)
            assert_int_equal(cn_session_rewind(lanes[i], 0, &err), CN_OK);
        assert_int_equal(cn_group_eval(group, before, 3, &err), CN_OK);
        if (round == 1) {
            asked = 0;
            allowed = cn_model_get_info(m)->n_layer + 1;
            assert_int_equal(cn_group_eval(group, steps, 3, &err), CN_ERR_CANCELLED);
            allowed = 1 << 20;
            assert_int_equal(cn_session_position(lanes[0]), 1 + 3);
            assert_int_equal(cn_session_position(lanes[1]), 2 + 13);
            assert_int_equal(cn_session_position(lanes[2]), 3);
            for (int i = 0; i < LANES; i++)
                assert_null(cn_session_logits(lanes[i], 0));
            assert_int_equal(cn_session_rewind(lanes[0], 1, &err), CN_OK);
            assert_int_equal(cn_session_rewind(lanes[1], 2, &err), CN_OK);
        }
        assert_int_equal(cn_group_eval(group, steps, 3, &err), CN_OK);
        for (int i = 0; i < LANES; i++)
            if (round == 0) {
                straight[i] = malloc(bytes);
                assert_non_null(straight[i]);
                memcpy(straight[i], cn_session_logits(lanes[i], 0), bytes);
            } else {
                /* Those that a copy of the states did not bring back were evaluated alone. */
                for (size_t v = 0; v < bytes / sizeof(float); v++)
                    assert_true(fabsf(cn_session_logits(lanes[i], 0)[v] - straight[i][v]) < 1e-4f);
                free(straight[i]);
            }
    }
    close_group();
    cn_model_close(m);
}

static void cancelling(void **state)
{
    (void)state;
    check_cancelling(ARCH "llama-f32.gguf");
    check_cancelling(ARCH2 "lfm2.gguf");
}

static struct cn_work sum_of(const struct cn_work *works, int n)
{
    struct cn_work sum = { 0 };
    for (int i = 0; i < n; i++) {
        sum.bytes += works[i].bytes;
        sum.kv_bytes += works[i].kv_bytes;
        sum.state_bytes += works[i].state_bytes;
        sum.int8_ops += works[i].int8_ops;
        sum.float_ops += works[i].float_ops;
        sum.unpacked += works[i].unpacked;
    }
    return sum;
}

/* Each alone reads the weights; together they read them once, and have the same to do. */
static void check_work(const char *path)
{
    struct cn_model *m = fixture_open(path, NULL);
    struct cn_work alone[LANES], together[LANES];
    open_group(m, (struct cn_callbacks){ 0 });
    for (int i = 0; i < LANES; i++) {
        const struct cn_step one = step(i, i, 1 + i, CN_WANT_LAST);
        assert_int_equal(cn_group_eval(group, &one, 1, &err), CN_OK);
        cn_session_work(lanes[i], &alone[i]);
    }
    close_group();
    open_group(m, (struct cn_callbacks){ 0 });
    const struct cn_step all[] = { step(0, 0, 1, CN_WANT_LAST), step(1, 1, 2, CN_WANT_LAST),
                                   step(2, 2, 3, CN_WANT_LAST) };
    assert_int_equal(cn_group_eval(group, all, 3, &err), CN_OK);
    for (int i = 0; i < LANES; i++) {
        cn_session_work(lanes[i], &together[i]);
        assert_int_equal(together[i].kv_bytes, alone[i].kv_bytes);
        assert_int_equal(together[i].state_bytes, alone[i].state_bytes);
    }
    const struct cn_work a = sum_of(alone, LANES), b = sum_of(together, LANES);
    const int64_t weights = alone[0].bytes - alone[0].kv_bytes - alone[0].state_bytes;
    assert_int_equal(b.bytes - b.kv_bytes - b.state_bytes, weights);
    assert_int_equal(a.int8_ops, b.int8_ops);
    assert_int_equal(a.float_ops, b.float_ops);
    /* By tokens: of 6 the lanes have 1, 2 and 3. */
    for (int i = 0; i < LANES; i++) {
        const int64_t own = together[i].bytes - together[i].kv_bytes - together[i].state_bytes;
        assert_true(llabs(6 * own - (i + 1) * weights) <= 12);
    }
    close_group();
    cn_model_close(m);
}

static void work(void **state)
{
    (void)state;
    check_work(ARCH "llama-f32.gguf");
    check_work(ARCH2 "lfm2.gguf");
    check_work("tests/fixtures/bad/good.gguf"); /* of 8-bit integers */
}

/* A lane alone is to the bit what a session of its own is, and so is what it forks into. */
static void check_fork(const char *path)
{
    struct cn_model *m = fixture_open(path, NULL);
    const size_t bytes = (size_t)cn_model_get_info(m)->n_vocab * sizeof(float);
    const struct cn_session_options o = {
        .n_ctx = CTX, .n_batch = 16, .n_threads = 2, .kv = CN_KV_F32, .sleep = true
    };
    struct cn_session *own = fixture_session(m, &o);
    open_group(m, (struct cn_callbacks){ 0 });
    assert_int_equal(cn_session_eval(own, tokens, 20, CN_WANT_LAST, &err), CN_OK);
    assert_int_equal(cn_session_eval(lanes[0], tokens, 20, CN_WANT_LAST, &err), CN_OK);
    assert_memory_equal(cn_session_logits(lanes[0], 0), cn_session_logits(own, 0), bytes);
    assert_int_equal(cn_session_fork(lanes[1], lanes[0], &err), CN_OK);
    assert_int_equal(cn_session_position(lanes[1]), 20);
    assert_memory_equal(cn_session_logits(lanes[1], 0), cn_session_logits(own, 0), bytes);
    /* They part: what one does the other does not see. */
    assert_int_equal(cn_session_eval(lanes[0], tokens + 3, 4, CN_WANT_LAST, &err), CN_OK);
    assert_int_equal(cn_session_eval(own, tokens + 9, 4, CN_WANT_LAST, &err), CN_OK);
    assert_int_equal(cn_session_eval(lanes[1], tokens + 9, 4, CN_WANT_LAST, &err), CN_OK);
    assert_memory_equal(cn_session_logits(lanes[1], 0), cn_session_logits(own, 0), bytes);
    assert_memory_not_equal(cn_session_logits(lanes[0], 0), cn_session_logits(own, 0), bytes);
    /* The first goes back and writes others over what both had. */
    assert_int_equal(cn_session_rewind(lanes[0], 2, &err), CN_OK);
    assert_int_equal(cn_session_eval(lanes[0], tokens + 11, 12, CN_WANT_LAST, &err), CN_OK);
    assert_int_equal(cn_session_eval(own, tokens, 1, CN_WANT_LAST, &err), CN_OK);
    assert_int_equal(cn_session_eval(lanes[1], tokens, 1, CN_WANT_LAST, &err), CN_OK);
    assert_memory_equal(cn_session_logits(lanes[1], 0), cn_session_logits(own, 0), bytes);
    cn_session_free(own);
    close_group();
    cn_model_close(m);
}

static void fork_of(void **state)
{
    (void)state;
    check_fork(ARCH "llama-f32.gguf");
    check_fork(ARCH "gemma3.gguf");
    check_fork(ARCH2 "lfm2.gguf");
    check_fork(ARCH2 "minicpm3.gguf");
}

int main(void)
{
    for (int32_t i = 0; i < N; i++)
        tokens[i] = 20 + i * 37 % 40;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals), cmocka_unit_test(one_pass), cmocka_unit_test(cancelling),
        cmocka_unit_test(work),     cmocka_unit_test(fork_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

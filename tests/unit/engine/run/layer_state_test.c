/* SPDX-License-Identifier: MIT
 *
 * States of layers: a copy that was taken is gone back to, a new text begins at zero, and what a
 * cancelled pass left behind is not used (the session goes back to a copy by itself).
 */
#include "engine/run/mixer/layer_state.h"

#include "engine/run/mixer/mixer.h"
#include "tests/arch_fixture.h"

enum { N = 40, SPLIT = 23 };
static int32_t tokens[N];

/* One of each kind of state. */
static const char *const models[] = { "lfm2.gguf", "mamba2.gguf", "falcon-h1-norm.gguf" };

static void eval(struct cn_session *s, int32_t first, int32_t n)
{
    struct cn_error err = { "" };
    if (cn_session_eval(s, tokens + first, n, CN_WANT_LAST, &err) != CN_OK)
        fail_msg("%s", err.text);
}

/* Copies of the states of all layers, one behind the other, or back. */
static void copy_states(struct cn_session *s, bool back, uint8_t *copy)
{
    for (int64_t i = 0; i < s->model->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(s->model, i, k)); k++) {
            if (!mixer->saved_bytes)
                continue;
            if (back)
                mixer->restore(s, i, copy);
            else
                mixer->save(s, i, copy);
            copy += mixer->saved_bytes(s, i);
        }
    }
}

static size_t states_bytes(const struct cn_session *s)
{
    size_t sum = 0;
    for (int64_t i = 0; i < s->model->hp.n_layer; i++)
        sum += s->states[i].bytes;
    return sum;
}

static void with_model(void (*check)(struct cn_session *s))
{
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[512];
        assert_true(fixture_path(path, sizeof path, models[i]));
        struct cn_model *m = fixture_open(path, NULL);
        struct cn_session_options o = { .n_ctx = 64, .n_threads = 1, .kv = CN_KV_F32 };
        struct cn_session *s = fixture_session(m, &o);
        assert_true(s->has_states);
        check(s);
        cn_session_free(s);
        cn_model_close(m);
    }
}

static void check_copies(struct cn_session *s)
{
    const size_t n_logits = (size_t)s->model->hp.n_vocab;
    uint8_t *copy = malloc(states_bytes(s));
    float *logits = malloc(n_logits * sizeof *logits);
    assert_true(copy && logits && states_bytes(s) > 0);
    eval(s, 0, SPLIT);
    copy_states(s, false, copy);
    eval(s, SPLIT, N - SPLIT);
    memcpy(logits, cn_session_logits(s, 0), n_logits * sizeof *logits);
    copy_states(s, true, copy);
    s->position = s->state_position = SPLIT;
    eval(s, SPLIT, N - SPLIT);
    assert_memory_equal(cn_session_logits(s, 0), logits, n_logits * sizeof *logits);
    /* The states matter: those of another position give something else. */
    copy_states(s, true, copy);
    s->position = s->state_position = SPLIT + 1;
    eval(s, SPLIT + 1, N - SPLIT - 1);
    assert_memory_not_equal(cn_session_logits(s, 0), logits, n_logits * sizeof *logits);
    /* From the start, nothing is left of them. */
    assert_int_equal(cn_session_rewind(s, 0, NULL), CN_OK);
    eval(s, 0, SPLIT);
    eval(s, SPLIT, N - SPLIT);
    assert_memory_equal(cn_session_logits(s, 0), logits, n_logits * sizeof *logits);
    free(copy);
    free(logits);
}

static void copies(void **state)
{
    (void)state;
    with_model(check_copies);
}

static int asked;

/* Between the second layer and the third. */
static bool cancel_inside(void *user)
{
    (void)user;
    return ++asked == 3;
}

static void check_cancelling(struct cn_session *s)
{
    struct cn_error err = { "" };
    const size_t bytes = (size_t)s->model->hp.n_vocab * sizeof(float);
    float *logits = malloc(bytes);
    assert_non_null(logits);
    eval(s, 0, SPLIT);
    eval(s, SPLIT, 5);
    memcpy(logits, cn_session_logits(s, 0), bytes);
    assert_int_equal(cn_session_rewind(s, 0, &err), CN_OK);
    eval(s, 0, SPLIT);
    s->group->options.callbacks.cancel = cancel_inside;
    asked = 0;
    assert_int_equal(cn_session_eval(s, tokens + SPLIT, 5, CN_WANT_LAST, &err), CN_ERR_CANCELLED);
    assert_int_equal(cn_session_position(s), SPLIT);
    s->group->options.callbacks.cancel = NULL;
    eval(s, SPLIT, 5);
    assert_memory_equal(cn_session_logits(s, 0), logits, bytes);
    free(logits);
}

static void cancelling(void **state)
{
    (void)state;
    with_model(check_cancelling);
}

int main(void)
{
    for (int32_t i = 0; i < N; i++)
        tokens[i] = 20 + i * 37 % 250;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(cancelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

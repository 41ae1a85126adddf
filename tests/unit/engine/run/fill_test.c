/* SPDX-License-Identifier: MIT
 *
 * A past that was filled in: rows are those of the first tokens over and over, and a token behind
 * it takes as much work as behind a real one.
 */
#include "bench/model/model_work.h"
#include "engine/run/attend.h"
#include "tests/arch_fixture.h"

enum { HELD = 7, PAST = 150, BEHIND = 3, CONTEXT = 160, BATCH = 8 };
static int32_t tokens[PAST + BEHIND];

/* Windows, rows that layers share, latent rows, states beside rows, and states alone. */
static const char *const models[] = { "gemma3.gguf", "gemma4-dense.gguf",  "deepseek2-groups.gguf",
                                      "lfm2.gguf",   "qwen35-untied.gguf", "mamba2.gguf" };

static void rows_repeat(const struct cn_session *s)
{
    for (int64_t i = 0; i < s->model->hp.n_layer; i++) {
        const struct cn_kv *kv = &s->kv[i];
        if (s->model->hp.layers[i].kv_layer != i || kv->n_heads == 0)
            continue;
        const int64_t first = PAST - kv->capacity > 0 ? PAST - kv->capacity : 0;
        assert_true(kv->capacity >= HELD);
        for (int64_t h = 0; h < kv->n_heads; h++)
            for (int64_t at = first + HELD; at < PAST; at++) {
                assert_memory_equal(cn_kv_key(kv, h, at), cn_kv_key(kv, h, at - HELD),
                                    kv->k_row_bytes);
                assert_memory_equal(cn_kv_value(kv, h, at), cn_kv_value(kv, h, at - HELD),
                                    kv->v_row_bytes);
            }
    }
}

/* What evaluating the tokens behind the past takes. */
static struct cn_work behind(struct cn_session *s)
{
    struct cn_error err = { "" };
    struct cn_work before, after;
    int32_t n_kept = 0;
    cn_session_work(s, &before);
    if (cn_session_prompt(s, tokens, PAST + BEHIND, &n_kept, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(n_kept, PAST);
    assert_non_null(cn_session_logits(s, 0));
    cn_session_work(s, &after);
    return cn_work_since(&after, &before);
}

static void costs_as_much(void **state)
{
    struct cn_error err = { "" };
    (void)state;
    for (int32_t i = 0; i < PAST + BEHIND; i++)
        tokens[i] = 3 + i % HELD;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[512];
        assert_true(fixture_path(path, sizeof path, models[i]));
        struct cn_model *m = fixture_open(path, NULL);
        const struct cn_session_options o = { .n_ctx = CONTEXT, .n_batch = BATCH, .n_threads = 1 };
        struct cn_session *real = fixture_session(m, &o), *filled = fixture_session(m, &o);
        assert_int_equal(cn_session_fill(filled, tokens, 1, &err), CN_ERR_ARGUMENT);
        assert_int_equal(cn_session_eval(real, tokens, PAST, CN_WANT_NONE, &err), CN_OK);
        assert_int_equal(cn_session_eval(filled, tokens, HELD, CN_WANT_LAST, &err), CN_OK);
        assert_int_equal(cn_session_fill(filled, tokens + HELD, CONTEXT - HELD + 1, &err),
                         CN_ERR_CONTEXT);
        assert_int_equal(cn_session_position(filled), HELD);
        assert_int_equal(cn_session_fill(filled, tokens + HELD, PAST - HELD, &err), CN_OK);
        assert_int_equal(cn_session_position(filled), PAST);
        assert_null(cn_session_logits(filled, 0));
        rows_repeat(filled);
        const struct cn_work a = behind(real), b = behind(filled);
        /* Which experts are read is up to what they see. */
        assert_int_equal(a.kv_bytes, b.kv_bytes);
        assert_int_equal(a.state_bytes, b.state_bytes);
        assert_true(b.kv_bytes + b.state_bytes > 0);
        cn_session_free(real);
        cn_session_free(filled);
        cn_model_close(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(costs_as_much) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

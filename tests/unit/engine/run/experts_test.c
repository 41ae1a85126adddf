/* SPDX-License-Identifier: MIT
 *
 * Mixtures of experts under hostile weights. That they compute the right thing is shown by
 * tests/model/arch_test.c.
 */
#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <math.h>

/* Replaces the router's scores with what its weights may hold. */
static void run_with_router(const char *path, const float *rows, int n_rows)
{
    struct cn_model *m = fixture_open(path, NULL);
    const struct cn_hparams *hp = &m->hp;
    assert_int_equal(hp->n_expert, n_rows);
    /* Routers are f32 in the files; a changed copy takes the place of the mapped ones. */
    assert_string_equal(m->layers[0].router.format->name, "f32");
    float *router = malloc((size_t)(hp->n_expert * hp->n_embd) * sizeof *router);
    assert_non_null(router);
    for (int64_t e = 0; e < hp->n_expert; e++)
        for (int64_t i = 0; i < hp->n_embd; i++)
            router[e * hp->n_embd + i] = rows[e];
    for (int64_t i = 0; i < hp->n_layer; i++)
        m->layers[i].router.data = (const uint8_t *)router;
    for (int32_t n_batch = 1; n_batch <= 32; n_batch += 31) {
        struct cn_session_options o = { .n_ctx = 32, .n_batch = n_batch, .n_threads = 2 };
        struct cn_session *s = fixture_session(m, &o);
        int32_t tokens[32];
        for (int32_t i = 0; i < 32; i++)
            tokens[i] = 30 + i;
        assert_int_equal(cn_session_eval(s, tokens, 32, CN_WANT_LAST, NULL), CN_OK);
        /* Of the last batch: no expert twice for a token, so no expert more often than tokens. */
        for (int64_t t = 0; t < n_batch; t++)
            for (int64_t a = 0; a < hp->n_expert_used; a++) {
                const int32_t *chosen = s->group->chosen + t * hp->n_expert_used;
                assert_in_range(chosen[a], 0, hp->n_expert - 1);
                for (int64_t b = 0; b < a; b++)
                    assert_int_not_equal(chosen[a], chosen[b]);
            }
        cn_session_free(s);
    }
    cn_model_close(m);
    free(router);
}

static void scores_that_are_no_numbers(void **state)
{
    static const float one_good[] = { NAN, NAN, 0, NAN, NAN, NAN };
    static const float last_good[] = { NAN, NAN, NAN, NAN, NAN, 0 };
    static const float none[] = { NAN, NAN, NAN, NAN, NAN, NAN };
    static const float huge[] = { INFINITY, -INFINITY, 1e38f, -1e38f, 0, INFINITY };
    static const float equal[6] = { 0 };
    const float *const all[] = { one_good, last_good, none, huge, equal };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        run_with_router("tests/fixtures/arch/qwen3moe.gguf", all[i], 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(scores_that_are_no_numbers) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

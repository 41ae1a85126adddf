/* SPDX-License-Identifier: MIT */
#include "bench/model/spans.h"

#include "bench/model/model_bench.h"
#include "tests/arch_fixture.h"

/* The times of the timed repetitions, and of nothing else. */
static void where_the_time_goes(void **state)
{
    (void)state;
    struct cn_model *m = fixture_open("models/prose-8m-f16.gguf", NULL);
    const int n_layers = cn_model_get_info(m)->n_layer;
    struct cn_spans spans;
    assert_true(cn_spans_init(&spans, n_layers));
    struct cn_bench_options o = {
        .n_threads = 1, .n_reps = 3, .n_tokens = 20, .depth = 5, .decode = true, .spans = &spans
    };
    struct cn_bench_result r;
    struct cn_error err = { "" };
    if (cn_model_bench(m, &o, &r, &err) != CN_OK)
        fail_msg("%s", err.text);
    int64_t all = 0;
    for (int op = 0; op < CN_N_OPS; op++) {
        bool inside = op != CN_OP_EMBED && op != CN_OP_OUTPUT && op != CN_OP_ROUTER &&
                      op < CN_OP_ABSORB; /* what only some architectures do */
        bool outside = op == CN_OP_EMBED || op == CN_OP_OUTPUT;
        for (int layer = -1; layer < n_layers; layer++) {
            const struct cn_span_time *t = cn_spans_at(&spans, (enum cn_op)op, layer);
            int64_t expected = layer < 0 ? outside : inside * (op == CN_OP_NORM ? 2 : 1);
            assert_int_equal(t->count, 60 * expected);
            assert_true(t->ns >= 0);
        }
        all += cn_spans_of_op(&spans, (enum cn_op)op);
    }
    assert_true(all > 0);
    assert_string_equal(cn_spans_at(&spans, CN_OP_QKV, 0)->format, "f16");
    assert_null(cn_spans_at(&spans, CN_OP_ROPE, 0)->format);
    cn_spans_clear(&spans);
    assert_int_equal(cn_spans_of_op(&spans, CN_OP_QKV), 0);
    cn_spans_free(&spans);
    cn_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(where_the_time_goes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "bench/model/explain.h"

#include "engine/run/op_work.h"
#include "tests/arch_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 8 };

static void near_to(double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%.9g expected, %.9g found", expected, got);
}

static struct cn_model *model;
static struct cn_spans spans;
/* Such that a byte takes 1 ns and an operation of a float 0.1. */
static const struct cn_machine_rates limits = { .read_gbps = 1, .int8_gops = 40, .f32_gflops = 10 };

/* Milliseconds that the op needs of memory and arithmetic, per pass of n tokens, in all layers. */
static void needs(enum cn_op op, int32_t n, double *memory, double *ops)
{
    struct cn_work w = { 0 };
    for (int layer = -1; layer < spans.n_layers; layer++)
        cn_model_op_work(model, op, layer, 0, n, &w);
    *memory = (double)w.bytes * 1e-6;
    *ops = (double)w.float_ops * 1e-7;
}

/* As if each layer had taken its part of `ms` for each of the tokens. */
static void took(enum cn_op op, double ms)
{
    const bool inside = op != CN_OP_OUTPUT;
    for (int layer = -1; layer < spans.n_layers; layer++)
        if ((layer >= 0) == inside)
            spans.times[(int)op * (1 + spans.n_layers) + 1 + layer].ns =
                (int64_t)(ms * 1e6 * TOKENS / (inside ? spans.n_layers : 1));
}

static const struct cn_explain_part *part(const struct cn_explain *e, const char *op)
{
    for (int i = 0; i < e->n; i++)
        if (strcmp(e->parts[i].op, op) == 0)
            return &e->parts[i];
    fail_msg("no part %s", op);
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    model = fixture_open("models/prose-8m-f16.gguf", NULL);
    assert_true(cn_spans_init(&spans, cn_model_get_info(model)->n_layer));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cn_spans_free(&spans);
    cn_model_close(model);
    return 0;
}

static void decode_waits_for_memory(void **state)
{
    (void)state;
    const struct cn_bench_options o = { .n_tokens = TOKENS, .decode = true };
    struct cn_explain e;
    double memory, ops, sum = 0, shares = 0;
    for (int op = 0; op < CN_N_OPS; op++) {
        needs((enum cn_op)op, 1, &memory, &ops);
        assert_true(memory >= ops);
        took((enum cn_op)op, memory / 0.8);
        sum += memory / 0.8;
    }
    cn_explain(model, &o, &spans, (int64_t)(1.05 * sum * 1e6 * TOKENS), TOKENS, &limits, &e);
    assert_int_equal(e.overall, CN_MEMORY);
    near_to(e.ms, 1.05 * sum, 1e-6 * sum);
    for (int i = 0; i < e.n; i++) {
        shares += e.parts[i].share;
        if (i)
            assert_true(e.parts[i].ms <= e.parts[i - 1].ms);
    }
    near_to(shares, 1, 1e-6);
    near_to(part(&e, "ffn_up")->reached, 0.8, 1e-3);
    near_to(part(&e, "ffn_up")->gbps, 0.8, 1e-3);
    assert_string_equal(part(&e, "ffn_up")->formats, "f16");
    assert_int_equal(part(&e, "rest")->bottleneck, CN_OVERHEAD);
    near_to(part(&e, "rest")->gain, 0.05 / 1.05, 1e-3);
    char text[512];
    cn_explain_text(&e, text, sizeof text);
    assert_non_null(strstr(text, "Bottleneck: memory. 95%"));
}

static void prefill_is_at_the_limit_of_arithmetic(void **state)
{
    (void)state;
    const struct cn_bench_options o = { .n_tokens = TOKENS };
    struct cn_explain e;
    double memory, ops, sum = 0;
    for (int op = 0; op < CN_N_OPS; op++) {
        needs((enum cn_op)op, TOKENS, &memory, &ops);
        /* A faster memory than decode has: 8 tokens share the bytes. */
        took((enum cn_op)op, ops / TOKENS / 0.9);
        sum += ops / TOKENS / 0.9;
    }
    const struct cn_machine_rates fast = { .read_gbps = 100, .int8_gops = 40, .f32_gflops = 10 };
    cn_explain(model, &o, &spans, (int64_t)(1.01 * sum * 1e6 * TOKENS), TOKENS, &fast, &e);
    assert_int_equal(e.overall, CN_ARITHMETIC);
    near_to(part(&e, "ffn_down")->reached, 0.9, 1e-3);
    near_to(part(&e, "ffn_down")->gops, 9, 1e-2);
}

static void kernels_and_overhead(void **state)
{
    (void)state;
    const struct cn_bench_options o = { .n_tokens = TOKENS, .decode = true };
    struct cn_explain e;
    double memory, ops, sum = 0;
    for (int op = 0; op < CN_N_OPS; op++) {
        needs((enum cn_op)op, 1, &memory, &ops);
        took((enum cn_op)op, 4 * memory);
        sum += 4 * memory;
    }
    cn_explain(model, &o, &spans, (int64_t)(1.2 * sum * 1e6 * TOKENS), TOKENS, &limits, &e);
    assert_int_equal(e.overall, CN_KERNEL);
    near_to(part(&e, "ffn_up")->gain, part(&e, "ffn_up")->share * 0.75, 1e-3);
    cn_explain(model, &o, &spans, (int64_t)(9 * sum * 1e6 * TOKENS), TOKENS, &limits, &e);
    assert_int_equal(e.overall, CN_OVERHEAD);
    assert_string_equal(e.parts[0].op, "rest");
}

/* Far into the context, keys and values are most of what is read. */
static void attention_reads_the_cache(void **state)
{
    (void)state;
    const struct cn_bench_options near = { .n_tokens = TOKENS, .decode = true },
                                  far = { .n_tokens = TOKENS, .decode = true, .depth = 1000 };
    struct cn_explain e;
    took(CN_OP_ATTENTION, 1);
    cn_explain(model, &near, &spans, (int64_t)1e9, TOKENS, &limits, &e);
    double few = part(&e, "attention")->bytes;
    cn_explain(model, &far, &spans, (int64_t)1e9, TOKENS, &limits, &e);
    /* Means of 1 to 8 positions, and of 1001 to 1008. */
    near_to(part(&e, "attention")->bytes / few, 1004.5 / 4.5, 1e-6);
    const struct cn_bench_options q8 = { .n_tokens = TOKENS, .decode = true, .kv = CN_KV_Q8_0 };
    cn_explain(model, &q8, &spans, (int64_t)1e9, TOKENS, &limits, &e);
    near_to(part(&e, "attention")->bytes / few, 34.0 / 64, 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decode_waits_for_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(prefill_is_at_the_limit_of_arithmetic, setup, teardown),
        cmocka_unit_test_setup_teardown(kernels_and_overhead, setup, teardown),
        cmocka_unit_test_setup_teardown(attention_reads_the_cache, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * The sampler on hand-made logits over the default model's vocabulary.
 */
#include "engine/carnot.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_model *model;
static int32_t n_vocab;
static float *logits;

/* Tokens that the cases give logits to; everything else is forbidden. */
enum { FIRST = 1000, N = 5 };

static const struct cn_sampler_options plain = {
    .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 7
};

static void set_logits(const float *x, int n)
{
    for (int32_t i = 0; i < n_vocab; i++)
        logits[i] = -INFINITY;
    for (int i = 0; i < n; i++)
        logits[FIRST + i] = x[i];
}

static struct cn_sampler *make(const struct cn_sampler_options *o)
{
    struct cn_sampler *s = NULL;
    struct cn_error err = { "" };
    if (cn_sampler_create(model, o, &s, &err) != CN_OK)
        fail_msg("%s", err.text);
    return s;
}

static int32_t sample_once(const struct cn_sampler_options *o)
{
    struct cn_sampler *s = make(o);
    int32_t token = cn_sampler_sample(s, logits);
    cn_sampler_free(s);
    return token;
}

static void greedy(void **state)
{
    static const float x[] = { 1, 3, 2, 3, -1 };
    struct cn_sampler_options o = plain;
    (void)state;
    set_logits(x, N);
    o.temperature = 0;
    assert_int_equal(sample_once(&o), FIRST + 1); /* of equal ones the lower */
    o.temperature = -1;
    assert_int_equal(sample_once(&o), FIRST + 1);
    /* As cold as it gets without being greedy. */
    o.temperature = 1e-30f;
    for (o.seed = 0; o.seed < 20; o.seed++) {
        int32_t token = sample_once(&o);
        assert_true(token == FIRST + 1 || token == FIRST + 3);
    }
}

/* Draws many times and compares with probabilities p[N] by chi-square. Where p is 0 nothing may be
 * drawn. */
static void expect_frequencies(const struct cn_sampler_options *o, const double *p)
{
    enum { DRAWS = 3000 };
    /* 1e-4 quantiles of chi-square for 1 .. 4 degrees of freedom */
    static const double limit[] = { 0, 15.14, 18.42, 21.11, 23.51 };
    int counts[N] = { 0 }, freedom = -1;
    double chi2 = 0, sum = 0;
    struct cn_sampler *s = make(o);
    for (int i = 0; i < DRAWS; i++) {
        int32_t token = cn_sampler_sample(s, logits);
        assert_in_range(token, FIRST, FIRST + N - 1);
        counts[token - FIRST]++;
    }
    cn_sampler_free(s);
    for (int i = 0; i < N; i++)
        sum += p[i];
    for (int i = 0; i < N; i++) {
        double expected = DRAWS * p[i] / sum;
        if (p[i] > 0) {
            chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
            freedom++;
        } else if (counts[i]) {
            fail_msg("candidate %d should have been cut, drawn %d times", i, counts[i]);
        }
    }
    if (freedom > 0 && chi2 > limit[freedom])
        fail_msg("chi-square %g of %d degrees: %d %d %d %d %d", chi2, freedom, counts[0], counts[1],
                 counts[2], counts[3], counts[4]);
}

static void frequencies_are_the_softmax(void **state)
{
    static const double p[N] = { 0.4, 0.05, 0.3, 0.05, 0.2 };
    double hot[N];
    float x[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        x[i] = (float)log(p[i]) + 3;
        hot[i] = sqrt(p[i]);
    }
    set_logits(x, N);
    struct cn_sampler_options o = plain;
    expect_frequencies(&o, p);
    o.temperature = 2;
    expect_frequencies(&o, hot);
    o.temperature = 1;
    o.seed = 123456789012345;
    expect_frequencies(&o, p);
}

static void candidates_are_cut(void **state)
{
    static const double p[N] = { 0.4, 0.1, 0.3, 0.05, 0.15 };
    float x[N];
    (void)state;
    for (int i = 0; i < N; i++)
        x[i] = (float)log(p[i]);
    set_logits(x, N);
    struct cn_sampler_options o = plain;
    static const double two[N] = { 0.4, 0, 0.3, 0, 0 }, three[N] = { 0.4, 0, 0.3, 0, 0.15 };
    static const double four[N] = { 0.4, 0.1, 0.3, 0, 0.15 }, one[N] = { 0.4 };
    o.top_k = 2;
    expect_frequencies(&o, two);
    o.top_k = 1;
    expect_frequencies(&o, one);
    o.top_k = n_vocab + 5;
    expect_frequencies(&o, p);
    o.top_k = 0;
    /* The fewest whose mass reaches top_p. */
    o.top_p = 0.69f;
    expect_frequencies(&o, two);
    o.top_p = 0.71f;
    expect_frequencies(&o, three);
    o.top_p = 0;
    expect_frequencies(&o, one);
    o.top_p = 1;
    /* At least this share of the best one's probability. */
    o.min_p = 0.3f;
    expect_frequencies(&o, three);
    o.min_p = 0.2f;
    expect_frequencies(&o, four);
    o.min_p = 1;
    expect_frequencies(&o, one);
    /* Together: top-k first, and the mass of top-p is of what it leaves. */
    o.min_p = 0;
    o.top_k = 3;
    o.top_p = 0.8f; /* .7 of .85 is .82 */
    expect_frequencies(&o, two);

    /* Ties at the edge of top-k go to the lower tokens. */
    static const float even[N] = { 1, 1, 1, 1, 1 };
    static const double first_two[N] = { 0.5, 0.5 };
    set_logits(even, N);
    o = plain;
    o.top_k = 2;
    expect_frequencies(&o, first_two);
}

static void seeds_decide(void **state)
{
    (void)state;
    for (int32_t i = 0; i < n_vocab; i++)
        logits[i] = (float)(i % 7);
    int32_t runs[3][64];
    for (int r = 0; r < 3; r++) {
        struct cn_sampler_options o = plain;
        o.seed = r == 2 ? 8 : 7;
        o.top_k = 400;
        struct cn_sampler *s = make(&o);
        for (int i = 0; i < 64; i++)
            runs[r][i] = cn_sampler_sample(s, logits);
        cn_sampler_free(s);
    }
    assert_memory_equal(runs[0], runs[1], sizeof runs[0]);
    assert_memory_not_equal(runs[0], runs[2], sizeof runs[0]);
}

static void repeat_penalty(void **state)
{
    static const float positive[] = { 3, 2.5f, 1 }, negative[] = { -1, -1.2f, -4 };
    struct cn_sampler_options o = plain;
    (void)state;
    o.temperature = 0;
    o.repeat_penalty = 1.5f;
    o.repeat_last_n = 2;

    /* 3, then 2.5 (3 / 1.5 = 2), then both are penalised: 2 against 1.67 and 1. A token seen twice
     * is penalised once: otherwise 3 / 2.25 would lose to 2.5 / 1.5. */
    set_logits(positive, 3);
    struct cn_sampler *s = make(&o);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST + 1);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST);
    cn_sampler_free(s);
    s = make(&o);
    cn_sampler_accept(s, FIRST);
    cn_sampler_accept(s, FIRST);
    static const float twice[] = { 3, 1.9f };
    set_logits(twice, 2);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST); /* 2 against 1.9 */
    cn_sampler_free(s);

    /* What is older than the window is forgotten. */
    set_logits(positive, 3);
    s = make(&o);
    cn_sampler_accept(s, FIRST);
    cn_sampler_accept(s, FIRST + 2);
    cn_sampler_accept(s, FIRST + 2);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST);
    /* Ids that are no tokens are ignored. */
    cn_sampler_accept(s, -1);
    cn_sampler_accept(s, n_vocab);
    cn_sampler_accept(s, INT32_MAX);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST + 1);
    cn_sampler_free(s);

    /* Negative logits are multiplied: -1.5 is behind -1.2. */
    set_logits(negative, 3);
    s = make(&o);
    cn_sampler_accept(s, FIRST);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST + 1);
    cn_sampler_free(s);

    o.repeat_last_n = 0;
    s = make(&o);
    cn_sampler_accept(s, FIRST);
    assert_int_equal(cn_sampler_sample(s, logits), FIRST);
    cn_sampler_free(s);
}

static void biases(void **state)
{
    static const float x[] = { 3, 2, 1 };
    struct cn_logit_bias bias[] = {
        {FIRST,      -INFINITY},
        { FIRST + 2, 1.5f     }
    };
    struct cn_sampler_options o = plain;
    (void)state;
    set_logits(x, 3);
    o.temperature = 0;
    o.bias = bias;
    o.n_bias = 1;
    assert_int_equal(sample_once(&o), FIRST + 1);
    o.n_bias = 2;
    struct cn_sampler *s = make(&o);
    bias[1].bias = -INFINITY; /* it was copied */
    assert_int_equal(cn_sampler_sample(s, logits), FIRST + 2);
    cn_sampler_free(s);
    static const double rest[N] = { 0, 1 };
    o.temperature = 1;
    expect_frequencies(&o, rest);
}

static void ends_are_ignored(void **state)
{
    struct cn_sampler_options o = plain;
    int n_ends = 0;
    (void)state;
    for (int32_t i = 0; i < n_vocab; i++) {
        logits[i] = cn_token_is_end(model, i) ? 100 : i == FIRST ? 1 : 0;
        n_ends += cn_token_is_end(model, i);
    }
    assert_true(n_ends > 0);
    for (int t = 0; t < 2; t++) {
        o.temperature = (float)t;
        o.ignore_eos = false;
        assert_true(cn_token_is_end(model, sample_once(&o)));
        o.ignore_eos = true;
        struct cn_sampler *s = make(&o);
        for (int i = 0; i < 100; i++)
            assert_false(cn_token_is_end(model, cn_sampler_sample(s, logits)));
        cn_sampler_free(s);
    }
}

/* Logits of a damaged model: always some token, the best of those that are numbers. */
static void not_numbers(void **state)
{
    struct cn_sampler_options o = plain;
    (void)state;
    o.top_k = 3;
    o.repeat_penalty = 1.1f;
    o.repeat_last_n = 8;
    for (int t = 0; t < 2; t++) {
        o.temperature = (float)t;
        static const float all[] = { NAN, INFINITY, -INFINITY };
        for (int kind = 0; kind < 3; kind++) {
            for (int32_t i = 0; i < n_vocab; i++)
                logits[i] = all[kind];
            struct cn_sampler *s = make(&o);
            for (int i = 0; i < 10; i++)
                assert_in_range(cn_sampler_sample(s, logits), 0, n_vocab - 1);
            cn_sampler_free(s);
        }
        static const double only[N] = { 0, 0, 1 };
        static const float x[N] = { NAN, -INFINITY, 1, NAN, NAN };
        set_logits(x, N);
        for (int32_t i = 0; i < FIRST; i++)
            logits[i] = NAN;
        expect_frequencies(&o, only);
    }
}

static void expect_refused(const struct cn_sampler_options *o)
{
    struct cn_sampler *s = NULL;
    struct cn_error err = { "" };
    assert_int_equal(cn_sampler_create(model, o, &s, &err), CN_ERR_ARGUMENT);
    assert_null(s);
    assert_string_not_equal(err.text, "");
}

static void options_out_of_range(void **state)
{
    struct cn_sampler_options o = plain;
    (void)state;
    cn_sampler_free(NULL);
    o.temperature = NAN;
    expect_refused(&o);
    o = plain;
    o.top_p = NAN;
    expect_refused(&o);
    o = plain;
    o.min_p = INFINITY;
    expect_refused(&o);
    o = plain;
    o.repeat_penalty = 0;
    expect_refused(&o);
    o.repeat_penalty = NAN;
    expect_refused(&o);
    o.repeat_penalty = INFINITY;
    expect_refused(&o);
    o = plain;
    o.repeat_last_n = -1;
    expect_refused(&o);
    o.repeat_last_n = INT32_MAX;
    expect_refused(&o);
    o = plain;
    struct cn_logit_bias bias = { -1, 1 };
    o.bias = &bias;
    o.n_bias = 1;
    expect_refused(&o);
    bias.token = n_vocab;
    expect_refused(&o);
}

static int open_model(void **state)
{
    struct cn_model_options options = { .vocab_only = true };
    (void)state;
    if (cn_model_open("models/prose-8m-f16.gguf", &options, &model, NULL) != CN_OK)
        return 1;
    n_vocab = cn_model_get_info(model)->n_vocab;
    logits = malloc((size_t)n_vocab * sizeof *logits);
    return !logits;
}

static int close_model(void **state)
{
    (void)state;
    free(logits);
    cn_model_close(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy),
        cmocka_unit_test(frequencies_are_the_softmax),
        cmocka_unit_test(candidates_are_cut),
        cmocka_unit_test(seeds_decide),
        cmocka_unit_test(repeat_penalty),
        cmocka_unit_test(biases),
        cmocka_unit_test(ends_are_ignored),
        cmocka_unit_test(not_numbers),
        cmocka_unit_test(options_out_of_range),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

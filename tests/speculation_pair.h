/* SPDX-License-Identifier: MIT
 *
 * A model and what drafts for it, and whether they give the text that the model alone gives.
 */
#ifndef CN_TESTS_SPECULATION_PAIR_H
#define CN_TESTS_SPECULATION_PAIR_H

#include "tests/arch_fixture.h"

#include "engine/run/speculate.h"

#include <math.h>

static const struct cn_sampler_options greedy = { .top_p = 1, .repeat_penalty = 1 };

enum { CTX = 512, N_LOGITS = 17 };

struct pair {
    struct cn_model *model, *draft_model; /* draft_model NULL: a look-up or a NextN block */
    struct cn_session *session, *draft;
    struct cn_sampler *sampler;
    struct cn_speculator *sp;
};

/* The draft is a file or NULL; without one and a look-up of 0 it is the model's NextN block. */
static inline void open_pair(struct pair *p, const char *model, const char *draft, int32_t lookup,
                             const struct cn_sampler_options *sampling)
{
    const struct cn_session_options o = { .n_ctx = CTX, .n_logits = N_LOGITS, .n_threads = 1 };
    struct cn_speculator_options so = { .lookup = lookup, .nextn = !draft && lookup == 0 };
    struct cn_error err = { "" };
    *p = (struct pair){ .model = fixture_open(model, NULL) };
    p->session = fixture_session(p->model, &o);
    if (draft) {
        p->draft_model = fixture_open(draft, NULL);
        so.draft = p->draft = fixture_session(p->draft_model, &o);
    }
    assert_int_equal(cn_sampler_create(p->model, sampling, &p->sampler, &err), CN_OK);
    if (cn_speculator_create(p->session, p->sampler, &so, &p->sp, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static inline void close_pair(struct pair *p)
{
    cn_speculator_free(p->sp);
    cn_sampler_free(p->sampler);
    cn_session_free(p->session);
    cn_session_free(p->draft);
    cn_model_close(p->model);
    cn_model_close(p->draft_model);
}

static inline void prompt(struct pair *p, const int32_t *tokens, int32_t n)
{
    struct cn_error err = { "" };
    int32_t kept;
    if (cn_speculator_prompt(p->sp, tokens, n, &kept, &err) != CN_OK)
        fail_msg("%s", err.text);
    for (int32_t i = 0; i < n; i++)
        cn_sampler_accept(p->sampler, tokens[i]);
}

/* n tokens behind what the speculator holds. */
static inline void speculate(struct pair *p, int32_t *tokens, int32_t n)
{
    struct cn_error err = { "" };
    for (int32_t done = 0, got; done < n; done += got)
        if (cn_speculator_next(p->sp, tokens + done, n - done, &got, &err) != CN_OK)
            fail_msg("token %d: %s", done, err.text);
}

/* The largest of x[n] less the second largest. */
static inline float margin_of(const float *x, int32_t n)
{
    float first = -INFINITY, second = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        second = fmaxf(second, fminf(first, x[i]));
        first = fmaxf(first, x[i]);
    }
    return first - second;
}

/* n tokens one by one, and by how much each was the best. */
static inline void decode(const struct cn_model *m, const struct cn_sampler_options *o,
                          const int32_t *text, int32_t n_text, int32_t *tokens, float *margins,
                          int32_t n)
{
    const struct cn_session_options so = { .n_ctx = CTX, .n_threads = 1 };
    struct cn_session *s = fixture_session(m, &so);
    struct cn_sampler *sampler;
    struct cn_error err = { "" };
    assert_int_equal(cn_sampler_create(m, o, &sampler, &err), CN_OK);
    assert_int_equal(cn_session_eval(s, text, n_text, CN_WANT_LAST, &err), CN_OK);
    for (int32_t i = 0; i < n_text; i++)
        cn_sampler_accept(sampler, text[i]);
    for (int32_t i = 0; i < n; i++) {
        const float *logits = cn_session_logits(s, 0);
        margins[i] = margin_of(logits, cn_model_get_info(m)->n_vocab);
        tokens[i] = cn_sampler_sample(sampler, logits);
        assert_int_equal(cn_session_eval(s, &tokens[i], 1, CN_WANT_LAST, &err), CN_OK);
    }
    cn_sampler_free(sampler);
    cn_session_free(s);
}

/* The largest difference between logits of passes over one token and over several, at the end of
 * text[n]. */
static inline float batch_error(const struct cn_model *m, const int32_t *text, int32_t n)
{
    const struct cn_session_options so = { .n_ctx = CTX, .n_logits = N_LOGITS, .n_threads = 1 };
    const int32_t n_vocab = cn_model_get_info(m)->n_vocab;
    struct cn_session *one = fixture_session(m, &so), *many = fixture_session(m, &so);
    float most = 0;
    for (int32_t batch = 2; batch <= 16 && batch < n; batch++) {
        struct cn_error err = { "" };
        assert_int_equal(cn_session_rewind(one, 0, &err), CN_OK);
        assert_int_equal(cn_session_rewind(many, 0, &err), CN_OK);
        assert_int_equal(cn_session_eval(one, text, n - batch, CN_WANT_NONE, &err), CN_OK);
        assert_int_equal(cn_session_eval(many, text, n - batch, CN_WANT_NONE, &err), CN_OK);
        assert_int_equal(cn_session_eval(many, text + n - batch, batch, CN_WANT_LAST, &err), CN_OK);
        for (int32_t i = n - batch; i < n; i++)
            assert_int_equal(cn_session_eval(one, text + i, 1, CN_WANT_LAST, &err), CN_OK);
        for (int32_t v = 0; v < n_vocab; v++)
            most = fmaxf(most, fabsf(cn_session_logits(one, 0)[v] - cn_session_logits(many, 0)[v]));
    }
    cn_session_free(one);
    cn_session_free(many);
    return most;
}

/* Both ways give the same n tokens, or part where the best two are closer than the engine's own
 * difference; the number of texts that did. */
static inline int expect_same(struct pair *p, const char *what, const int32_t *text, int32_t n_text,
                              int32_t n)
{
    int32_t plain[CTX], guessed[CTX], whole[CTX];
    float margins[CTX];
    decode(p->model, &greedy, text, n_text, plain, margins, n);
    prompt(p, text, n_text);
    speculate(p, guessed, n);
    for (int32_t i = 0; i < n; i++) {
        if (plain[i] == guessed[i])
            continue;
        memcpy(whole, text, (size_t)n_text * sizeof *text);
        memcpy(whole + n_text, plain, (size_t)i * sizeof *plain);
        const float error = batch_error(p->model, whole, n_text + i);
        printf("%s: parts at token %d, margin %g, difference %g\n", what, i, (double)margins[i],
               (double)error);
        assert_true(margins[i] <= 2 * error);
        return 1;
    }
    return 0;
}

static inline void say(const struct pair *p, const char *what)
{
    struct cn_speculation told;
    cn_speculator_told(p->sp, &told);
    printf("%s: %.2f tokens a pass, %.0f%% of %lld drafted tokens kept\n", what,
           (double)told.n_tokens / (double)told.n_passes,
           told.n_drafted ? 100 * (double)told.n_accepted / (double)told.n_drafted : 0,
           (long long)told.n_drafted);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Speculation gives the text that token by token gives: greedy the same, drawn with the same
 * probabilities; whatever the draft is, and whatever layers the models have.
 */
#include "tests/speculation_pair.h"

#include "engine/tools.h"
#include "tests/shared_data.h"

static const char prose[] = "models/prose-8m-f16.gguf";

static void tokenize(const struct cn_model *m, const char *text, int32_t *tokens, int32_t *n)
{
    int32_t *all;
    size_t n_all;
    struct cn_error err = { "" };
    assert_int_equal(cn_tokenize(m, text, strlen(text), CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT, &all,
                                 &n_all, &err),
                     CN_OK);
    assert_true(n_all < CTX / 2);
    memcpy(tokens, all, n_all * sizeof *all);
    *n = (int32_t)n_all;
    free(all);
}

static const char *const texts[] = {
    "The old man looked at the sea",
    "It was the best of times, it was the worst of times, it was the age of",
    "One, two, three. One, two, three. One, two,",
};

static char smaller[] = "/tmp/speculate_test_XXXXXX";

/* The default model, drafted by itself, by a coarser copy of itself, and by its own text. */
static void same_greedy_text(void **state)
{
    const char *const drafts[] = { prose, smaller, NULL };
    struct cn_quantize_options q = { .type = "Q4_0", .force = true };
    struct cn_error err = { "" };
    (void)state;
    close(mkstemp(smaller));
    if (cn_quantize_file(prose, smaller, &q, NULL, &err) != CN_OK)
        fail_msg("%s", err.text);
    int parted = 0;
    for (size_t d = 0; d < 3; d++) {
        const char *what = d == 0 ? "itself" : d == 1 ? "Q4_0" : "look-up";
        struct pair p;
        open_pair(&p, prose, drafts[d], drafts[d] ? 0 : 3, &greedy);
        for (size_t i = 0; i < 3; i++) {
            int32_t text[CTX], n;
            tokenize(p.model, texts[i], text, &n);
            p.sp->n_forced = (int32_t)i * 5; /* first as long as pays */
            parted += expect_same(&p, what, text, n, 48);
        }
        say(&p, what);
        struct cn_speculation told;
        cn_speculator_told(p.sp, &told);
        assert_true(told.n_tokens == told.n_accepted + told.n_passes);
        assert_true(told.n_drafted > 0 && told.n_accepted <= told.n_drafted);
        if (d == 0) /* its own draft is right, but for the last bits */
            assert_true(told.n_accepted > told.n_drafted * 9 / 10);
        close_pair(&p);
    }
    printf("%d of 9 texts part\n", parted);
    assert_int_equal(unlink(smaller), 0);
}

/* A model drafted by a smaller one that was trained on the same texts. */
static void same_text_of_a_larger_model(void **state)
{
    (void)state;
    char model[512], draft[512];
    if (!shared_data(model, sizeof model, "models/prose-29m-f16.gguf") ||
        !shared_data(draft, sizeof draft, "models/prose-8m-f16.gguf"))
        skip();
    struct pair p;
    int parted = 0;
    open_pair(&p, model, draft, 0, &greedy);
    for (size_t i = 0; i < 2; i++) {
        int32_t text[CTX], n;
        tokenize(p.model, texts[i], text, &n);
        p.sp->n_forced = 3;
        parted += expect_same(&p, "29 M by 8 M", text, n, 48);
    }
    say(&p, "29 M by 8 M");
    printf("%d of 2 texts part\n", parted);
    struct cn_speculation told;
    cn_speculator_told(p.sp, &told);
    assert_true(told.n_tokens > 3 * told.n_passes / 2); /* it is a good one */
    close_pair(&p);
}

/* Every kind of layer that keeps something: windows, states, both; drafts of all lengths, so that
 * wrong ones are gone back from. A draft of the same model is right but for the last bits, a
 * look-up hardly ever. */
static void same_text_with_states(void **state)
{
    static const char *const files[] = { "lfm2.gguf",   "qwen35-untied.gguf",
                                         "mamba2.gguf", "nemotron_h.gguf",
                                         "gemma3.gguf", "gpt-oss-mxfp4.gguf" };
    (void)state;
    int n_files = 0, parted = 0;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        char path[512];
        if (!fixture_path(path, sizeof path, files[f]))
            continue;
        n_files++;
        for (int lookup = 0; lookup <= 1; lookup++) {
            struct pair p;
            open_pair(&p, path, lookup ? NULL : path, lookup ? 2 : 0, &greedy);
            for (int32_t n_forced = 0; n_forced <= 7; n_forced += 7) {
                const int32_t n_vocab = cn_model_get_info(p.model)->n_vocab;
                int32_t text[40];
                for (int32_t i = 0; i < 40; i++)
                    text[i] = (i % 13 * 31 + 7) % n_vocab;
                p.sp->n_forced = n_forced;
                parted += expect_same(&p, files[f], text, 40, 48);
            }
            say(&p, files[f]);
            close_pair(&p);
        }
    }
    printf("%d models, %d texts part\n", n_files, parted);
    assert_true(n_files >= 4);
}

/* Drafts of a model that was told wrong things half of the time: what it says decides how much is
 * kept, and nothing else. */
static bool every_other(void *user, int32_t i)
{
    (void)user;
    return i < 1;
}

static void forced(void **state)
{
    struct pair p;
    struct cn_speculation told;
    int32_t text[CTX], n;
    (void)state;
    open_pair(&p, prose, prose, 0, &greedy);
    p.sp->force = every_other;
    p.sp->n_forced = 4;
    tokenize(p.model, texts[0], text, &n);
    prompt(&p, text, n);
    speculate(&p, text, 41); /* one, then two a pass */
    cn_speculator_told(p.sp, &told);
    assert_int_equal(told.n_passes, 20);
    assert_int_equal(told.n_tokens, 40);
    assert_int_equal(told.n_accepted, 20);
    close_pair(&p);
}

/* A text that ends within what a pass gave: the speculator goes on as if it had never been longer.
 */
static void taken_back(void **state)
{
    static const char *const files[] = { "lfm2.gguf", "gemma3.gguf", "qwen35-mtp.gguf" };
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        struct pair p;
        char path[512];
        int32_t text[20], plain[60], got[CN_SPECULATE_MOST + 1], n = 0, done = 0;
        float margins[60];
        struct cn_error err = { "" };
        if (!fixture_path(path, sizeof path, files[f]))
            continue;
        open_pair(&p, path, f < 2 ? path : NULL, 0, &greedy);
        for (int32_t i = 0; i < 20; i++)
            text[i] = 5 + i % 7;
        decode(p.model, &greedy, text, 20, plain, margins, 60);
        prompt(&p, text, 20);
        p.sp->n_forced = 5;
        while (done < 50) {
            if (cn_speculator_next(p.sp, got, 8, &n, &err) != CN_OK)
                fail_msg("%s", err.text);
            assert_in_range(n, 1, 8);
            for (int32_t i = 0; i < n; i++)
                assert_int_equal(got[i], plain[done + i]);
            /* One of every burst is enough. */
            assert_int_equal(cn_speculator_take_back(p.sp, n - 1, &err), CN_OK);
            assert_true(cn_session_position(p.session) < 20 + done + 1);
            assert_int_equal(cn_speculator_take_back(p.sp, 2, &err), CN_ERR_ARGUMENT);
            done++;
        }
        close_pair(&p);
    }
}

/* ---- drawn texts ----------------------------------------------------------------------------- */

/* Texts of N_DRAWN tokens, each one of ALLOWED. */
enum { ALLOWED = 4, N_DRAWN = 3, CELLS = ALLOWED * ALLOWED * ALLOWED };

static const int32_t before[] = { 9, 4, 7, 9, 4, 8, 9, 4 };
enum { N_BEFORE = sizeof before / sizeof *before };

/* Which of them a token is. */
static int letter(int32_t token)
{
    static const int32_t allowed[ALLOWED] = { 4, 7, 8, 9 };
    for (int i = 0; i < ALLOWED; i++)
        if (allowed[i] == token)
            return i;
    return -1;
}

static int cell(const int32_t *tokens)
{
    for (int i = 0; i < N_DRAWN; i++)
        assert_true(letter(tokens[i]) >= 0);
    return (letter(tokens[0]) * ALLOWED + letter(tokens[1])) * ALLOWED + letter(tokens[2]);
}

/* n texts drawn token by token. A beginning's logits are computed once. */
static void draw_plain(const struct pair *p, int n, int *counts)
{
    static float *known[1 + ALLOWED + ALLOWED * ALLOWED];
    const size_t bytes = (size_t)cn_model_get_info(p->model)->n_vocab * sizeof(float);
    struct cn_error err = { "" };
    memset(known, 0, sizeof known);
    for (int i = 0; i < n; i++) {
        int32_t text[N_BEFORE + N_DRAWN], kept;
        int beginning = 0;
        memcpy(text, before, sizeof before);
        for (int t = 0; t < N_BEFORE; t++)
            cn_sampler_accept(p->sampler, before[t]);
        for (int t = 0; t < N_DRAWN; t++) {
            if (!known[beginning]) {
                assert_int_equal(cn_session_prompt(p->session, text, N_BEFORE + t, &kept, &err),
                                 CN_OK);
                known[beginning] = malloc(bytes);
                assert_non_null(known[beginning]);
                memcpy(known[beginning], cn_session_logits(p->session, 0), bytes);
            }
            text[N_BEFORE + t] = cn_sampler_sample(p->sampler, known[beginning]);
            beginning = beginning * ALLOWED + 1 + letter(text[N_BEFORE + t]);
        }
        counts[cell(text + N_BEFORE)]++;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        free(known[i]);
}

static void draw_guessed(struct pair *p, int n, int *counts)
{
    p->sp->n_forced = N_DRAWN - 1;
    for (int i = 0; i < n; i++) {
        int32_t tokens[2 * N_DRAWN], got;
        struct cn_error err = { "" };
        prompt(p, before, N_BEFORE);
        for (int done = 0; done < N_DRAWN; done += got)
            if (cn_speculator_next(p->sp, tokens + done, N_DRAWN, &got, &err) != CN_OK)
                fail_msg("%s", err.text);
        counts[cell(tokens)]++;
    }
}

/* Texts drawn with speculation are as frequent as those drawn without: chi-squared of two samples,
 * which a wrong rule fails by far. */
static void expect_same_frequencies(const char *what, const char *model, const char *draft,
                                    int32_t lookup, int n)
{
    struct cn_logit_bias bias[288];
    struct cn_sampler_options o = { .temperature = 3,
                                    .top_k = 100,
                                    .top_p = 0.98f,
                                    .min_p = 0.02f,
                                    .repeat_penalty = 1.3f,
                                    .repeat_last_n = 3,
                                    .seed = 5,
                                    .bias = bias };
    for (int32_t t = 0; t < 288; t++)
        if (letter(t) < 0)
            bias[o.n_bias++] = (struct cn_logit_bias){ t, -INFINITY };
    struct pair p;
    struct cn_speculation told;
    int plain[CELLS] = { 0 }, guessed[CELLS] = { 0 }, freedom = -1;
    double chi2 = 0;
    open_pair(&p, model, draft, lookup, &o);
    draw_plain(&p, n, plain);
    draw_guessed(&p, n, guessed);
    cn_speculator_told(p.sp, &told);
    close_pair(&p);
    for (int i = 0; i < CELLS; i++) {
        const double a = plain[i], b = guessed[i];
        if (a + b == 0)
            continue;
        chi2 += (a - b) * (a - b) / (a + b);
        freedom++;
    }
    /* Wilson and Hilferty: the normal quantile of 1e-4. */
    const double f = freedom, limit = f * pow(1 - 2 / (9 * f) + 3.719 * sqrt(2 / (9 * f)), 3);
    printf("%s: %d texts, chi-squared %.1f, allowed %.1f; %.0f%% of %lld drafted tokens kept\n",
           what, freedom + 1, chi2, limit, 100 * (double)told.n_accepted / (double)told.n_drafted,
           (long long)told.n_drafted);
    assert_true(freedom >= 20);
    assert_true(told.n_drafted >= n); /* else nothing was tried */
    assert_true(told.n_accepted > told.n_drafted / 10 && told.n_accepted < told.n_drafted * 9 / 10);
    assert_true(chi2 < limit);
}

static void same_frequencies(void **state)
{
    (void)state;
    char model[512], draft[512];
    /* Models of one vocabulary and other weights: the draft is often wrong. */
    if (fixture_path(model, sizeof model, "smollm3.gguf") &&
        fixture_path(draft, sizeof draft, "starcoder2.gguf"))
        expect_same_frequencies("a draft", model, draft, 0, 20000);
    if (fixture_path(model, sizeof model, "smollm3.gguf"))
        expect_same_frequencies("a look-up", model, NULL, 2, 20000);
    if (fixture_path(model, sizeof model, "qwen35-mtp.gguf"))
        expect_same_frequencies("a NextN block", model, NULL, 0, 10000);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void refusals(void **state)
{
    struct pair p;
    char path[512];
    struct cn_error err = { "" };
    struct cn_speculator *sp = NULL;
    int32_t tokens[4], n;
    (void)state;
    assert_true(fixture_path(path, sizeof path, "lfm2.gguf"));
    open_pair(&p, prose, NULL, 2, &greedy);
    struct cn_model *other = fixture_open(path, NULL);
    const struct cn_session_options so = { .n_ctx = 64, .n_threads = 1 };
    struct cn_session *s = fixture_session(other, &so);
    const struct {
        struct cn_speculator_options o;
        const char *says;
    } bad[] = {
        {{ .draft = s },                  "vocabulary is another"},
        { { .draft = s, .lookup = 2 },    "one source"           },
        { { .n_draft = 3 },               "one source"           },
        { { .lookup = 16 },               "1 to 15"              },
        { { .lookup = 2, .n_draft = 64 }, "1 to 63"              },
        { { .draft = p.session },         "its own draft"        },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cn_speculator_create(p.session, p.sampler, &bad[i].o, &sp, &err),
                         CN_ERR_ARGUMENT);
        if (!strstr(err.text, bad[i].says))
            fail_msg("'%s' lacks '%s'", err.text, bad[i].says);
    }
    const struct cn_speculator_options lookup = { .lookup = 2 };
    assert_int_equal(cn_speculator_create(s, p.sampler, &lookup, &sp, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "logits of 2"));
    assert_null(sp);
    assert_int_equal(cn_speculator_next(p.sp, tokens, 4, &n, &err), CN_ERR_ARGUMENT);
    prompt(&p, (int32_t[]){ 1, 2, 3 }, 3);
    assert_int_equal(cn_speculator_next(p.sp, tokens, 0, &n, &err), CN_ERR_ARGUMENT);
    cn_session_free(s);
    cn_model_close(other);
    close_pair(&p);
}

/* The context fills to its last token, as without speculation. */
static void context(void **state)
{
    struct pair p;
    struct cn_error err = { "" };
    int32_t text[CTX], got[CN_SPECULATE_MOST + 1], n = 0, total = 0;
    enum cn_status status;
    (void)state;
    open_pair(&p, prose, NULL, 3, &greedy);
    tokenize(p.model, texts[2], text, &n);
    const int32_t n_text = n;
    prompt(&p, text, n);
    while ((status = cn_speculator_next(p.sp, got, CN_SPECULATE_MOST + 1, &n, &err)) == CN_OK)
        total += n;
    assert_int_equal(status, CN_ERR_CONTEXT);
    assert_int_equal(n_text + total, CTX + 1); /* the last one needs no room */
    assert_int_equal(cn_session_position(p.session), CTX);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_greedy_text),
        cmocka_unit_test(same_text_of_a_larger_model),
        cmocka_unit_test(same_text_with_states),
        cmocka_unit_test(forced),
        cmocka_unit_test(taken_back),
        cmocka_unit_test(same_frequencies),
        cmocka_unit_test(refusals),
        cmocka_unit_test(context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

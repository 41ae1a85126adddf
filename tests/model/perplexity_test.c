/* SPDX-License-Identifier: MIT
 *
 * Perplexity and divergence: the protocol's arithmetic done again by hand on tiny models, base
 * files, and the default model's figure on the evaluation text.
 */
#include "bench/quality/ppl.h"

#include "tests/arch_fixture.h"
#include "tests/shared_data.h"

#include <math.h>

enum { CTX = 16, CHUNKS = 3, N_TOKENS = CTX * CHUNKS + 5, SCORED = CTX - CTX / 2 - 1 };

static int32_t tokens[N_TOKENS];
static struct cn_model *one, *other; /* of one vocabulary size */
static int32_t n_vocab;

static void near(const char *what, double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("%s: %.9g expected, %.9g found", what, expected, found);
}

/* Log-probabilities of every scored position, [CHUNKS * SCORED, n_vocab], and what came next. */
static double *by_hand(const struct cn_model *model, int32_t *targets)
{
    const struct cn_model_info *info = cn_model_get_info(model);
    struct cn_session_options o = {
        .n_ctx = CTX, .n_logits = CTX, .n_threads = 1, .kv = CN_KV_F32
    };
    struct cn_session *s = fixture_session(model, &o);
    double *all = malloc((size_t)(CHUNKS * SCORED * n_vocab) * sizeof *all), *row = all;
    assert_non_null(all);
    for (int c = 0; c < CHUNKS; c++) {
        int32_t chunk[CTX];
        memcpy(chunk, tokens + c * CTX, sizeof chunk);
        if (info->add_bos)
            chunk[0] = info->bos;
        assert_int_equal(cn_session_rewind(s, 0, NULL), CN_OK);
        assert_int_equal(cn_session_eval(s, chunk, CTX, CN_WANT_ALL, NULL), CN_OK);
        /* Tokens of the second half but its first, each from all before it. */
        for (int t = CTX / 2; t < CTX - 1; t++, row += n_vocab) {
            const float *logits = cn_session_logits(s, t);
            double sum = 0;
            for (int32_t i = 0; i < n_vocab; i++)
                sum += exp((double)logits[i]);
            for (int32_t i = 0; i < n_vocab; i++)
                row[i] = (double)logits[i] - log(sum);
            *targets++ = chunk[t + 1];
        }
    }
    cn_session_free(s);
    return all;
}

static struct cn_perplexity run(const struct cn_model *model, FILE *save, FILE *base)
{
    struct cn_perplexity_options o = { .n_ctx = CTX,
                                       .n_threads = 1,
                                       .kv = CN_KV_F32,
                                       .save_base = save,
                                       .base = base,
                                       .base_name = "base" };
    struct cn_perplexity p;
    struct cn_error err = { "" };
    if (cn_perplexity_run(model, tokens, N_TOKENS, &o, &p, &err) != CN_OK)
        fail_msg("%s", err.text);
    return p;
}

static void arithmetic(void **state)
{
    int32_t targets[CHUNKS * SCORED];
    double *all = by_hand(one, targets), sum = 0, squares = 0;
    const int n = CHUNKS * SCORED;
    (void)state;
    for (int i = 0; i < n; i++) {
        double nll = -all[i * n_vocab + targets[i]];
        sum += nll;
        squares += nll * nll;
    }
    struct cn_perplexity p = run(one, NULL, NULL);
    assert_int_equal(p.n_tokens, n);
    assert_int_equal(p.n_chunks, CHUNKS);
    near("perplexity", p.ppl, exp(sum / n), 1e-5);
    double variance = squares / n - sum / n * (sum / n);
    near("its error", p.ppl_se, exp(sum / n) * sqrt(variance / (n - 1)), 1e-4);
    assert_true(isnan(p.kld_mean) && isnan(p.top1_agreement));
    free(all);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void divergence(void **state)
{
    int32_t targets[CHUNKS * SCORED];
    enum { N = CHUNKS * SCORED };
    double *p = by_hand(one, targets), *q = by_hand(other, targets), kld[N];
    double mean = 0, squares = 0, same = 0, delta = 0, base_nll = 0;
    (void)state;
    for (int i = 0; i < N; i++) {
        const double *a = p + i * n_vocab, *b = q + i * n_vocab;
        int32_t top_a = 0, top_b = 0;
        kld[i] = 0;
        for (int32_t v = 0; v < n_vocab; v++) {
            kld[i] += exp(a[v]) * (a[v] - b[v]);
            top_a = a[v] > a[top_a] ? v : top_a;
            top_b = b[v] > b[top_b] ? v : top_b;
        }
        same += top_a == top_b;
        mean += kld[i] / N;
        squares += kld[i] * kld[i] / N;
        double d = exp(b[targets[i]]) - exp(a[targets[i]]);
        delta += d * d / N;
        base_nll -= a[targets[i]] / N;
    }
    FILE *base = tmpfile();
    assert_non_null(base);
    struct cn_perplexity saved = run(one, base, NULL);
    rewind(base);
    struct cn_perplexity r = run(other, NULL, base);
    fclose(base);
    qsort(kld, N, sizeof *kld, ascending);
    /* A base file keeps log-probabilities in 65535 steps of up to 16 nats. */
    near("mean divergence", r.kld_mean, mean, 1e-3);
    near("its error", r.kld_se, sqrt((squares - mean * mean) / (N - 1)), 1e-3);
    near("median", r.kld_median, kld[N / 2], 1e-3);
    near("largest", r.kld_max, kld[N - 1], 1e-3);
    near("99%", r.kld_p99, kld[N - 2] + (kld[N - 1] - kld[N - 2]) * (0.99 * (N - 1) - (N - 2)),
         1e-3);
    near("same top", r.top1_agreement, same / N, 1e-9);
    near("rms change", r.delta_p_rms, sqrt(delta), 1e-3);
    near("perplexity of the base", r.base_ppl, exp(base_nll), 1e-3);
    near("as saved", r.base_ppl, saved.ppl, 1e-3);
    assert_true(mean > 0.1); /* the models differ: there was something to measure */
    free(p);
    free(q);
}

static void against_itself(void **state)
{
    (void)state;
    FILE *base = tmpfile();
    assert_non_null(base);
    struct cn_perplexity saved = run(one, base, NULL);
    assert_int_equal(ftell(base), 20 + 4 * CHUNKS * CTX + CHUNKS * SCORED * (8 + 2 * n_vocab));
    rewind(base);
    struct cn_perplexity r = run(one, NULL, base);
    fclose(base);
    near("perplexity", r.ppl, saved.ppl, 1e-12);
    /* Half a step of 16 / 65535 nats is the most that one log-probability is off. */
    if (!(fabs(r.kld_max) < 1.3e-4 && fabs(r.kld_mean) < 5e-5))
        fail_msg("divergence %g on average, %g at most", r.kld_mean, r.kld_max);
    near("same top", r.top1_agreement, 1, 1e-12);
    assert_true(r.delta_p_rms < 1e-4);
}

static void expect_refused(struct cn_perplexity_options o, size_t n, enum cn_status status,
                           const char *words)
{
    struct cn_perplexity p;
    struct cn_error err = { "" };
    o.n_ctx = o.n_ctx ? o.n_ctx : CTX;
    o.n_threads = 1;
    o.base_name = "the-base";
    enum cn_status found = cn_perplexity_run(one, tokens, n, &o, &p, &err);
    if (found != status || !strstr(err.text, words))
        fail_msg("status %d and \"%s\" expected, %d and \"%s\" found", status, words, found,
                 err.text);
}

static bool stop(void *user, int32_t done, int32_t total, double ppl)
{
    assert_int_equal(total, CHUNKS);
    assert_true(ppl > 1);
    *(int *)user = done;
    return done == 2;
}

static void refusals(void **state)
{
    typedef struct cn_perplexity_options options;
    (void)state;
    expect_refused((options){ .n_ctx = 7 }, N_TOKENS, CN_ERR_ARGUMENT, "8 or more");
    expect_refused((options){ 0 }, 2 * CTX - 1, CN_ERR_ARGUMENT, "at least 32");
    int done = 0;
    expect_refused((options){ .progress = stop, .user = &done }, N_TOKENS, CN_ERR_CANCELLED,
                   "interrupted");
    assert_int_equal(done, 2);

    FILE *base = tmpfile();
    assert_non_null(base);
    run(one, base, NULL);
    long size = ftell(base);
    rewind(base);
    expect_refused((options){ .base = base, .n_ctx = 8 }, N_TOKENS, CN_ERR_ARGUMENT, "context 8");
    rewind(base);
    tokens[20]++;
    expect_refused((options){ .base = base }, N_TOKENS, CN_ERR_ARGUMENT, "another text");
    tokens[20]--;
    /* Cut short, in the logits, the tokens and the header. */
    static const long ends[] = { 1, 8000, 0 };
    for (int i = 0; i < 3; i++) {
        long keep = ends[i] ? size - ends[i] : 30;
        assert_int_equal(ftruncate(fileno(base), keep), 0);
        rewind(base);
        expect_refused((options){ .base = base }, N_TOKENS, CN_ERR_FORMAT, "the-base: ends early");
    }
    assert_int_equal(ftruncate(fileno(base), 9), 0);
    rewind(base);
    expect_refused((options){ .base = base }, N_TOKENS, CN_ERR_FORMAT, "not a base file");
    fclose(base);
}

/* Computed with the reference kernels and an f32 cache; other kernels and an f16 cache differ in
 * the fifth digit. */
#define PROSE_PPL 25.1187

static void default_model(void **state)
{
    char path[512];
    (void)state;
    if (!shared_data(path, sizeof path, "data/prose-eval.txt")) {
        skip();
        return;
    }
    size_t n_bytes = 0, n;
    char *text = fixture_read(path, &n_bytes);
    assert_non_null(text);
    struct cn_model *model = fixture_open("models/prose-8m-f16.gguf", NULL);
    int32_t *ids;
    struct cn_perplexity_options o = { .n_ctx = 1024, .n_chunks = 2 };
    struct cn_perplexity p;
    assert_int_equal(cn_tokenize(model, text, n_bytes, CN_TOKENIZE_BOS, &ids, &n, NULL), CN_OK);
    assert_int_equal(cn_perplexity_run(model, ids, n, &o, &p, NULL), CN_OK);
    assert_int_equal(p.n_tokens, 2 * 511);
    near("perplexity", p.ppl, PROSE_PPL, 1e-3);
    free(ids);
    free(text);
    cn_model_close(model);
}

static int open_models(void **state)
{
    (void)state;
    one = fixture_open("tests/fixtures/arch/qwen3.gguf", NULL);
    other = fixture_open("tests/fixtures/arch/olmo2.gguf", NULL);
    n_vocab = cn_model_get_info(one)->n_vocab;
    for (int32_t i = 0; i < N_TOKENS; i++)
        tokens[i] = 20 + i * i * 7 % 250;
    return n_vocab != cn_model_get_info(other)->n_vocab;
}

static int close_models(void **state)
{
    (void)state;
    cn_model_close(one);
    cn_model_close(other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),     cmocka_unit_test(divergence),
        cmocka_unit_test(against_itself), cmocka_unit_test(refusals),
        cmocka_unit_test(default_model),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}

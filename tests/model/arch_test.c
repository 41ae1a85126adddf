/* SPDX-License-Identifier: MIT
 *
 * Every architecture against another engine's logits: batches, KV types, tiers, threads, greedy
 * continuations.
 */
#include "engine/tools.h"
#include "quant/quant.h"
#include "tests/arch_fixture.h"

#include <math.h>

static const char *const manifests[] = { "tests/fixtures/arch/manifest.json",
                                         "tests/fixtures/arch2/manifest.json" };

/* Rounding keys and values to 8 bits in blocks of 32 has steps of max/127, against 2^-11 of each
 * value for f16: for the largest of a block 8 times coarser, for typical ones (a third of the
 * largest) some 30 times; one token's queries are rounded as much. The worst logit of an f16 cache
 * is some 4 times its root mean square, so the rms of a q8_0 cache is bounded by twice what one
 * logit of an f16 one may be off (largest found: 1.24 times). An error in a formula shows as 0.3
 * and more in nearly every position. */
enum { Q8_KV_FACTOR = 2 };

/* Below this the README's fixtures call the choice of experts nearly a tie. */
#define MOE_GAP 0.02

static struct cn_json *docs[2];
static struct fixture fixtures[128];
static size_t n_fixtures;

/* The most that was found of what is allowed, per fixture and kind of comparison: told at the end.
 */
enum figure { STRICT, F16_KV, Q8_KV, N_FIGURES };
static struct {
    double found, allowed;
} figures[128][N_FIGURES];

/* Where F32 copies of the fixtures in formats of few bits are. */
static char copies[] = "/tmp/cn-arch-XXXXXX";

/* Largest difference; any NaN counts as infinite. */
static double max_diff(const struct fixture *f, const float *a, const float *b)
{
    double most = 0;
    for (size_t i = 0; i < (size_t)f->n_tokens * (size_t)f->n_vocab; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        most = isnan(d) ? HUGE_VAL : fmax(most, d);
    }
    return most;
}

static double rms_diff(const struct fixture *f, const float *a, const float *b)
{
    const size_t n = (size_t)f->n_tokens * (size_t)f->n_vocab;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / (double)n);
}

static void expect_within(enum figure figure, const char *what, const struct fixture *f,
                          double found, double bound)
{
    const size_t i = (size_t)(f - fixtures);
    figures[i][figure].allowed = bound;
    figures[i][figure].found = fmax(figures[i][figure].found, found);
    if (!(found <= bound))
        fail_msg("%s, %s: off by %g, allowed %g", f->model, what, found, bound);
}

/* Formats of few bits have their activations rounded to 8 bits. */
static bool is_rounded(const struct cn_model *model)
{
    return cn_model_get_info(model)->bpw < 15;
}

/* How far the logits of F32 activations may be off. */
static double strict_of(const struct fixture *f, const struct cn_model *model)
{
    return fixture_number(f->entry, is_rounded(model) ? "tol_loose" : "tol_strict");
}

static void for_models(void (*check)(const struct fixture *f))
{
    for (size_t i = 0; i < n_fixtures; i++)
        check(&fixtures[i]);
}

/* ---- logits --------------------------------------------------------------------------------- */

static void check_batches(const struct fixture *f)
{
    static const int32_t batches[] = { 1, 7, 512 };
    struct cn_model *model = fixture_open(f->model, NULL);
    const double strict = strict_of(f, model);
    float *first = NULL;
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        char what[64];
        float *got = fixture_logits(model, f, CN_KV_F32, batches[i], 1);
        snprintf(what, sizeof what, "batch %d", batches[i]);
        expect_within(STRICT, what, f, max_diff(f, got, f->logits), strict);
        snprintf(what, sizeof what, "batch %d beside 1", batches[i]);
        expect_within(STRICT, what, f, first ? max_diff(f, got, first) : 0, strict);
        if (first)
            free(got);
        else
            first = got;
    }
    free(first);
    cn_model_close(model);
}

static void batches(void **state)
{
    (void)state;
    for_models(check_batches);
}

static void check_kv(const struct fixture *f)
{
    const double loose = fixture_number(f->entry, "tol_loose");
    struct cn_model *model = fixture_open(f->model, NULL);
    static const int32_t batches[] = { 1, 512 };
    for (size_t i = 0; i < 2; i++) {
        float *got = fixture_logits(model, f, CN_KV_F16, batches[i], 1);
        expect_within(F16_KV, "f16 KV", f, max_diff(f, got, f->logits), loose);
        free(got);
    }
    struct cn_session_options q8 = { .n_ctx = FIXTURE_CTX, .n_threads = 1, .kv = CN_KV_Q8_0 };
    struct cn_session *session = NULL;
    enum cn_status status = cn_session_create(model, &q8, &session, NULL);
    cn_session_free(session);
    if (status == CN_OK) {
        for (size_t i = 0; i < 2; i++) {
            float *got = fixture_logits(model, f, CN_KV_Q8_0, batches[i], 1);
            expect_within(Q8_KV, "q8_0 KV, rms", f, rms_diff(f, got, f->logits),
                          Q8_KV_FACTOR * loose);
            free(got);
        }
    } else {
        assert_int_equal(status, CN_ERR_UNSUPPORTED); /* head sizes that 32 does not divide */
    }
    cn_model_close(model);
}

static void kv_types(void **state)
{
    (void)state;
    for_models(check_kv);
}

static void check_threads(const struct fixture *f)
{
    struct cn_model *model = fixture_open(f->model, NULL);
    static const int32_t batches[] = { 1, 5, 512 };
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        float *one = fixture_logits(model, f, CN_KV_F16, batches[i], 1);
        float *two = fixture_logits(model, f, CN_KV_F16, batches[i], 2);
        if (memcmp(one, two, (size_t)f->n_tokens * (size_t)f->n_vocab * sizeof *one) != 0)
            fail_msg("%s, batch %d: 2 threads differ from 1 by %g", f->model, batches[i],
                     max_diff(f, one, two));
        free(one);
        free(two);
    }
    cn_model_close(model);
}

static void thread_counts(void **state)
{
    (void)state;
    for_models(check_threads);
}

/* "ref", "ref,avx2", ...: every tier of the machine on top of those below it. */
static char tier_lists[CN_N_TIERS][64];
static int n_tier_lists;

static void check_tiers(const struct fixture *f)
{
    for (int i = 0; i < n_tier_lists; i++) {
        struct cn_model *model = fixture_open(f->model, tier_lists[i]);
        const double strict = strict_of(f, model);
        assert_string_equal(cn_model_get_info(model)->tiers, tier_lists[i]);
        float *got = fixture_logits(model, f, CN_KV_F32, 512, 1);
        expect_within(STRICT, tier_lists[i], f, max_diff(f, got, f->logits), strict);
        free(got);
        got = fixture_logits(model, f, CN_KV_F32, 3, 1);
        expect_within(STRICT, tier_lists[i], f, max_diff(f, got, f->logits), strict);
        free(got);
        cn_model_close(model);
    }
}

static void tiers(void **state)
{
    (void)state;
    const uint32_t machine = cn_tiers_detect();
    uint32_t mask = 0;
    for (int tier = 0; tier < CN_N_TIERS; tier++)
        if (machine >> tier & 1) {
            mask |= 1u << tier;
            cn_tiers_format(mask, tier_lists[n_tier_lists], sizeof tier_lists[0]);
            printf("tiers %s\n", tier_lists[n_tier_lists]);
            n_tier_lists++;
        }
    assert_true(n_tier_lists >= 1);
    for_models(check_tiers);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* What inspect tells of a file is what a session takes. */
static void check_memory(const struct fixture *f)
{
    static const int32_t contexts[] = { 16, FIXTURE_CTX, 2048 };
    struct cn_model *model = fixture_open(f->model, NULL);
    struct cn_inspect *inspect = NULL;
    assert_int_equal(cn_inspect_open(f->model, &inspect, NULL), CN_OK);
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        struct cn_session_options o = { .n_ctx = contexts[i], .n_threads = 1 };
        struct cn_session *session = fixture_session(model, &o);
        if ((int64_t)cn_session_kv_bytes(session) != cn_inspect_kv_bytes(inspect, contexts[i]))
            fail_msg("%s, context %d: inspect says %lld bytes, a session takes %zu", f->model,
                     contexts[i], (long long)cn_inspect_kv_bytes(inspect, contexts[i]),
                     cn_session_kv_bytes(session));
        cn_session_free(session);
    }
    cn_inspect_close(inspect);
    cn_model_close(model);
}

static void memory(void **state)
{
    (void)state;
    for_models(check_memory);
}

/* ---- greedy continuation -------------------------------------------------------------------- */

static int32_t argmax(const float *x, int32_t n)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static int n_greedy_steps;

static void check_greedy(const struct fixture *f)
{
    struct cn_model *model = fixture_open(f->model, NULL);
    const double margin_needed = 4 * strict_of(f, model);
    struct cn_session_options o = { .n_ctx = FIXTURE_CTX, .n_threads = 1, .kv = CN_KV_F32 };
    struct cn_session *session = fixture_session(model, &o);
    assert_int_equal(cn_session_eval(session, f->tokens, f->n_tokens, CN_WANT_LAST, NULL), CN_OK);
    for (size_t i = 0; i < 32; i++) {
        const struct cn_json_value *expected = fixture_element(f->entry, "greedy", i);
        const struct cn_json_value *margin = fixture_element(f->entry, "greedy_margin", i);
        const struct cn_json_value *gap = fixture_element(f->entry, "greedy_moe_gap", i);
        assert_non_null(expected);
        assert_non_null(margin);
        if (margin->number < margin_needed || (gap && gap->number < MOE_GAP))
            break;
        int32_t got = argmax(cn_session_logits(session, 0), f->n_vocab);
        if (got != (int32_t)expected->number)
            fail_msg("%s: greedy step %zu chose %d, %d expected", f->model, i, got,
                     (int32_t)expected->number);
        n_greedy_steps++;
        assert_int_equal(cn_session_eval(session, &got, 1, CN_WANT_LAST, NULL), CN_OK);
    }
    cn_session_free(session);
    cn_model_close(model);
}

static void greedy(void **state)
{
    (void)state;
    for_models(check_greedy);
    printf("%d greedy steps compared\n", n_greedy_steps);
    assert_true(n_greedy_steps > 200);
}

/* With the weights in F32 nothing is rounded, and the strict bound holds: a fixture more. */
static void add_copy(const struct fixture *f)
{
    struct fixture copy = *f;
    struct cn_error err = { "" };
    struct cn_file_result result;
    const struct cn_quantize_options options = { .type = "F32", .allow_requantize = true };
    snprintf(copy.model, sizeof copy.model, "%s/%s-f32.gguf", copies,
             fixture_string(f->entry, "name"));
    if (cn_quantize_file(f->model, copy.model, &options, &result, &err) != CN_OK)
        fail_msg("%s", err.text);
    const size_t n = (size_t)f->n_tokens * (size_t)f->n_vocab * sizeof *f->logits;
    copy.tokens = malloc((size_t)f->n_tokens * sizeof *f->tokens);
    copy.logits = malloc(n);
    assert_true(copy.tokens && copy.logits);
    memcpy(copy.tokens, f->tokens, (size_t)f->n_tokens * sizeof *f->tokens);
    memcpy(copy.logits, f->logits, n);
    fixtures[n_fixtures++] = copy;
}

static int open_fixtures(void **state)
{
    (void)state;
    if (!mkdtemp(copies))
        return 1;
    const size_t most = sizeof fixtures / sizeof *fixtures;
    for (int i = 0; i < 2; i++) {
        docs[i] = fixture_manifest(manifests[i]);
        const struct cn_json_value *e = cn_json_root(docs[i])->first;
        for (; e && n_fixtures < most; e = e->next) {
            if (fixture_load(&fixtures[n_fixtures], e, "", "logits"))
                n_fixtures++;
            else
                fixture_free(&fixtures[n_fixtures]);
        }
        if (e)
            return 1;
    }
    const size_t n_files = n_fixtures;
    for (size_t i = 0; i < n_files && n_fixtures < most; i++) {
        struct cn_model *model = fixture_open(fixtures[i].model, NULL);
        if (is_rounded(model))
            add_copy(&fixtures[i]);
        cn_model_close(model);
    }
    /* Every architecture but for variants and the largest ones is committed. */
    printf("%zu models, %zu copies of them in F32\n", n_files, n_fixtures - n_files);
    return n_files < 28 || n_fixtures == n_files;
}

static void tell_figures(const struct fixture *f)
{
    static const char *const names[N_FIGURES] = { "F32", "KV f16", "KV q8_0 (rms)" };
    const char *slash = strrchr(f->model, '/');
    printf("%s:", slash ? slash + 1 : f->model);
    for (int i = 0; i < N_FIGURES; i++)
        if (figures[f - fixtures][i].allowed > 0)
            printf(" %s %.2g of %.2g", names[i], figures[f - fixtures][i].found,
                   figures[f - fixtures][i].allowed);
    printf("\n");
}

static int close_fixtures(void **state)
{
    (void)state;
    for_models(tell_figures);
    for (size_t i = 0; i < n_fixtures; i++) {
        if (strncmp(fixtures[i].model, copies, sizeof copies - 1) == 0)
            unlink(fixtures[i].model);
        fixture_free(&fixtures[i]);
    }
    rmdir(copies);
    for (int i = 0; i < 2; i++)
        cn_json_free(docs[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches), cmocka_unit_test(kv_types), cmocka_unit_test(thread_counts),
        cmocka_unit_test(tiers),   cmocka_unit_test(memory),   cmocka_unit_test(greedy),
    };
    return cmocka_run_group_tests(tests, open_fixtures, close_fixtures);
}

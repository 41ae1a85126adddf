/* SPDX-License-Identifier: MIT
 *
 * Every architecture goes back to any position: behind 37 of 60 tokens it says the same as one that
 * has never been further. So does a session that was written to a file there and read by another.
 */
#include "tests/arch_fixture.h"

#include <math.h>

static const char *const manifests[] = { "tests/fixtures/arch/manifest.json",
                                         "tests/fixtures/arch2/manifest.json" };

static char file[] = "/tmp/rewind_test_XXXXXX";

enum { LONG = 60, BACK = 37, CTX = 80 };

/* The fixture's own tokens, which may be fewer, again and again; `other`: not these from BACK on.
 */
static void fill(const struct fixture *f, bool other, int32_t tokens[LONG])
{
    for (int32_t i = 0; i < LONG; i++)
        tokens[i] = f->tokens[(i + (other && i >= BACK ? 11 : 0)) % f->n_tokens];
}

static struct cn_session *open_session(const struct cn_model *m, int32_t n_batch)
{
    const struct cn_session_options o = {
        .n_ctx = CTX, .n_batch = n_batch, .n_logits = LONG - BACK, .n_threads = 1, .kv = CN_KV_F32
    };
    return fixture_session(m, &o);
}

static void eval(struct cn_session *s, const int32_t *tokens, int32_t n, enum cn_want want)
{
    struct cn_error err = { "" };
    if (cn_session_eval(s, tokens, n, want, &err) != CN_OK)
        fail_msg("%s", err.text);
}

/* The session stands behind BACK tokens: with the others it comes to the same logits. Formats of
 * few bits have their activations rounded to 8 bits. */
static void expect_straight(const struct fixture *f, const struct cn_model *m, const char *what,
                            struct cn_session *s, const int32_t *tokens, const float *straight)
{
    const struct cn_model_info *info = cn_model_get_info(m);
    const double allowed = fixture_number(f->entry, info->bpw < 15 ? "tol_loose" : "tol_strict");
    assert_int_equal(cn_session_position(s), BACK);
    eval(s, tokens + BACK, LONG - BACK, CN_WANT_ALL);
    for (int32_t i = 0; i < LONG - BACK; i++)
        for (int32_t v = 0; v < f->n_vocab; v++) {
            const double a = (double)cn_session_logits(s, i)[v];
            const double b = (double)straight[i * f->n_vocab + v];
            if (!(fabs(a - b) <= allowed))
                fail_msg("%s, %s: token %d, logit %d: %g, without %g", f->model, what, BACK + i, v,
                         a, b);
        }
}

static void check(const struct fixture *f)
{
    static const int32_t batches[] = { 64, 7, 1 };
    struct cn_model *m = fixture_open(f->model, NULL);
    const size_t bytes = (size_t)(LONG - BACK) * (size_t)f->n_vocab * sizeof(float);
    int32_t tokens[LONG], other[LONG];
    struct cn_error err = { "" };
    float *straight = malloc(bytes);
    assert_non_null(straight);
    fill(f, false, tokens);
    fill(f, true, other);
    struct cn_session *s = open_session(m, 64);
    eval(s, tokens, BACK, CN_WANT_NONE);
    eval(s, tokens + BACK, LONG - BACK, CN_WANT_ALL);
    memcpy(straight, cn_session_logits(s, 0), bytes);
    cn_session_free(s);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        char what[64];
        s = open_session(m, batches[i]);
        eval(s, other, LONG, CN_WANT_NONE);
        assert_int_equal(cn_session_rewind(s, BACK, &err), CN_OK);
        snprintf(what, sizeof what, "batches of %d", batches[i]);
        expect_straight(f, m, what, s, tokens, straight);
        /* Again, from a mark, a token later than it. */
        assert_int_equal(cn_session_rewind(s, BACK - 1, &err), CN_OK);
        cn_session_mark(s);
        eval(s, other + BACK - 1, LONG - BACK, CN_WANT_LAST);
        eval(s, other + LONG - 1, 1, CN_WANT_LAST);
        assert_int_equal(cn_session_rewind(s, BACK - 1, &err), CN_OK);
        eval(s, tokens + BACK - 1, 1, CN_WANT_LAST);
        snprintf(what, sizeof what, "batches of %d, from a mark", batches[i]);
        expect_straight(f, m, what, s, tokens, straight);

        assert_int_equal(cn_session_rewind(s, BACK, &err), CN_OK);
        if (cn_session_save(s, file, &err) != CN_OK)
            fail_msg("%s", err.text);
        cn_session_free(s);
        s = open_session(m, batches[(i + 1) % 3]);
        if (cn_session_load(s, file, &err) != CN_OK)
            fail_msg("%s", err.text);
        snprintf(what, sizeof what, "batches of %d, from a file", batches[i]);
        expect_straight(f, m, what, s, tokens, straight);
        cn_session_free(s);
    }
    free(straight);
    cn_model_close(m);
}

static void every_architecture(void **state)
{
    size_t n = 0;
    (void)state;
    close(mkstemp(file));
    for (int i = 0; i < 2; i++) {
        struct cn_json *doc = fixture_manifest(manifests[i]);
        for (const struct cn_json_value *e = cn_json_root(doc)->first; e; e = e->next) {
            struct fixture f;
            if (fixture_load(&f, e, "", "logits")) {
                check(&f);
                n++;
            }
            fixture_free(&f);
        }
        cn_json_free(doc);
    }
    printf("%zu models\n", n);
    assert_true(n >= 28);
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

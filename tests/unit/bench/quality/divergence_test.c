/* SPDX-License-Identifier: MIT
 *
 * Divergence of a small model from itself, and from itself with coarser weights.
 */
#include "bench/quality/divergence.h"

#include "engine/tools.h"
#include "tests/arch_fixture.h"

#include <math.h>

static struct cn_error err;
static char path[300], out[] = "/tmp/carnot-divergence-XXXXXX";

enum { TEXT = 1024 }; /* tokens: two pieces */

static double divergence_of(const struct cn_divergence *d, const char *type, int32_t n_tokens)
{
    struct cn_quantize_options o = { .type = type };
    struct cn_model *m;
    double kld = (double)NAN;
    assert_int_equal(cn_quantize_file(path, out, &o, NULL, &err), CN_OK);
    assert_int_equal(cn_model_open(out, NULL, &m, &err), CN_OK);
    assert_int_equal(cn_divergence_measure(d, m, n_tokens, &kld, &err), CN_OK);
    cn_model_close(m);
    return kld;
}

static void measures(void **context)
{
    (void)context;
    struct cn_model *base;
    struct cn_divergence *d, *again;
    struct cn_divergence_options o = { .n_tokens = TEXT, .n_threads = 1 };
    double self, self_again;
    assert_int_equal(cn_model_open(path, NULL, &base, &err), CN_OK);
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_OK);
    assert_int_equal(cn_divergence_measure(d, base, TEXT, &self, &err), CN_OK);
    assert_true(fabs(self) < 1e-6);
    double q8 = divergence_of(d, "Q8_0", TEXT), q5 = divergence_of(d, "Q5_0", TEXT);
    double q4 = divergence_of(d, "Q4_0", TEXT), part = divergence_of(d, "Q4_0", 1);
    printf("itself %g, Q8_0 %g, Q5_0 %g, Q4_0 %g\n", self, q8, q5, q4);
    assert_true(q8 > 1e-7 && q5 > 4 * q8 && q4 > 2 * q5);
    /* Of a part of the text it is another figure, about as large. */
    assert_true(part != q4 && part > q4 / 2 && part < 2 * q4);
    /* The text and the sums do not depend on the threads. */
    o.n_threads = 3;
    assert_int_equal(cn_divergence_create(base, &o, &again, &err), CN_OK);
    assert_true(divergence_of(again, "Q4_0", TEXT) == q4);
    assert_int_equal(cn_divergence_measure(again, base, TEXT, &self_again, &err), CN_OK);
    assert_true(self_again == self);
    cn_divergence_free(d);
    cn_divergence_free(again);
    cn_divergence_free(NULL);
    cn_model_close(base);
}

/* A text that is given: as its own text when it is that, with pieces from all over a longer one. */
static void given(void **context)
{
    (void)context;
    enum { PIECE = 512, N = 5 * PIECE };
    static int32_t text[N];
    struct cn_model *base;
    struct cn_divergence *d;
    double ends, all;
    assert_int_equal(cn_model_open(path, NULL, &base, &err), CN_OK);
    const int32_t n_vocab = cn_model_get_info(base)->n_vocab;
    for (int32_t i = 0; i < N; i++)
        text[i] = (i / PIECE * 7 + i % (5 + i / PIECE)) % n_vocab;
    struct cn_divergence_options o = {
        .n_tokens = 2 * PIECE, .n_threads = 1, .given = text, .n_given = N
    };
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_OK);
    ends = divergence_of(d, "Q4_0", 2 * PIECE);
    cn_divergence_free(d);
    /* Pieces 0 and 2 it was: beside them alone it is the same. */
    memcpy(text + PIECE, text + (ptrdiff_t)2 * PIECE, PIECE * sizeof *text);
    o.n_given = 2 * PIECE;
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_OK);
    all = divergence_of(d, "Q4_0", 2 * PIECE);
    cn_divergence_free(d);
    assert_true(ends > 0 && ends == all);
    /* A short text is taken as it is. */
    o.n_given = 40;
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_OK);
    assert_true(divergence_of(d, "Q4_0", 2 * PIECE) > 0);
    cn_divergence_free(d);
    text[20] = n_vocab;
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "vocabulary"));
    o.n_given = 7;
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_ERR_ARGUMENT);
    cn_model_close(base);
}

static bool at_once(void *user)
{
    (void)user;
    return true;
}

static void failures(void **context)
{
    (void)context;
    struct cn_model *base, *other;
    struct cn_divergence *d = NULL;
    struct cn_divergence_options o = { .n_tokens = 7, .n_threads = 1 };
    char other_path[300];
    double kld;
    assert_int_equal(cn_model_open(path, NULL, &base, &err), CN_OK);
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_ERR_ARGUMENT);
    o.n_tokens = 64;
    o.cancel = at_once;
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_ERR_CANCELLED);
    assert_null(d);
    o.cancel = NULL;
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_OK);
    if (fixture_path(other_path, sizeof other_path, "llama-f32.gguf")) {
        assert_int_equal(cn_model_open(other_path, NULL, &other, &err), CN_OK);
        assert_int_equal(cn_divergence_measure(d, other, 64, &kld, &err), CN_ERR_ARGUMENT);
        cn_model_close(other);
    }
    cn_divergence_free(d);
    cn_model_close(base);
}

int main(void)
{
    if (!fixture_path(path, sizeof path, "llama-moe.gguf"))
        return 77;
    int fd = mkstemp(out);
    if (fd < 0)
        return 1;
    close(fd);
    const struct CMUnitTest tests[] = { cmocka_unit_test(measures), cmocka_unit_test(given),
                                        cmocka_unit_test(failures) };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(out);
    return failed;
}

/* SPDX-License-Identifier: MIT
 *
 * A model with one matrix changed in memory is the model of a file in which that matrix is so.
 */
#include "engine/model/model.h"
#include "engine/model/override.h"

#include "engine/tools.h"
#include "tests/arch_fixture.h"

enum { N = 24 };

static struct cn_error err;

static void logits_of(const struct cn_model *model, float *logits)
{
    int32_t tokens[N];
    struct cn_session *session;
    struct cn_session_options o = { .n_ctx = N, .n_threads = 1 };
    for (int i = 0; i < N; i++)
        tokens[i] = 1 + i * 7 % 200;
    assert_int_equal(cn_session_create(model, &o, &session, &err), CN_OK);
    assert_int_equal(cn_session_eval(session, tokens, N, CN_WANT_LAST, &err), CN_OK);
    size_t n = (size_t)cn_model_get_info(model)->n_vocab;
    memcpy(logits, cn_session_logits(session, 0), n * sizeof *logits);
    cn_session_free(session);
}

/* The fixture with `name` alone in q4_0: from a file, and in memory. */
static void compare(const char *fixture, const char *name)
{
    char path[300], out[] = "/tmp/carnot-override-XXXXXX", rule[96];
    if (!fixture_path(path, sizeof path, fixture))
        skip();
    int fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    snprintf(rule, sizeof rule, "^%s$=q4_0", name);
    const char *rules[] = { rule, ".=f16" };
    struct cn_quantize_options o = { .type = "F16", .tensor_types = rules, .n_tensor_types = 2 };
    struct cn_model *exact, *other;
    assert_int_equal(cn_quantize_file(path, out, &o, NULL, &err), CN_OK);
    assert_int_equal(cn_model_open(path, NULL, &exact, &err), CN_OK);
    assert_int_equal(cn_model_open(out, NULL, &other, &err), CN_OK);
    size_t n = (size_t)cn_model_get_info(exact)->n_vocab;
    float *before = malloc(n * sizeof *before), *wanted = malloc(n * sizeof *wanted);
    float *got = malloc(n * sizeof *got);
    assert_true(before && wanted && got);
    logits_of(exact, before);
    logits_of(other, wanted);
    assert_memory_not_equal(before, wanted, n * sizeof *got);

    const struct cn_gguf_tensor *t = cn_gguf_tensor(&other->gguf, name);
    assert_non_null(t);
    assert_true(cn_model_override(exact, name, t->format, t->data));
    logits_of(exact, got);
    assert_memory_equal(got, wanted, n * sizeof *got);
    assert_true(cn_model_override(exact, name, NULL, NULL));
    logits_of(exact, got);
    assert_memory_equal(got, before, n * sizeof *got);
    free(before);
    free(wanted);
    free(got);
    cn_model_close(exact);
    cn_model_close(other);
    unlink(out);
}

static void plain(void **context)
{
    (void)context;
    compare("llama-moe.gguf", "blk.1.attn_v.weight");
    compare("llama-moe.gguf", "output.weight");
}

static void experts(void **context)
{
    (void)context;
    compare("llama-moe.gguf", "blk.1.ffn_down_exps.weight");
}

static void tied(void **context)
{
    (void)context;
    compare("gemma.gguf", "token_embd.weight");
}

static void refused(void **context)
{
    (void)context;
    char path[300];
    static const uint8_t data[1 << 20];
    struct cn_model *m;
    const char *const wrong[] = {
        "",
        "nosuch",
        "blk.0.nosuch.weight",
        "blk.99999.attn_v.weight",
        "blk.-1.attn_v.weight",
        "blk.0.attn_norm.weight",
        "blk.0.token_embd.weight",
        "attn_v.weight",
    };
    if (!fixture_path(path, sizeof path, "llama-moe.gguf"))
        skip();
    assert_int_equal(cn_model_open(path, NULL, &m, &err), CN_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(cn_model_override(m, wrong[i], cn_format_by_name("f16"), data));
    /* rows of 128 */
    assert_false(cn_model_override(m, "blk.0.attn_v.weight", cn_format_by_name("q4_k"), data));
    cn_model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(experts),
        cmocka_unit_test(tied),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

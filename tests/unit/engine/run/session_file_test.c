/* SPDX-License-Identifier: MIT
 *
 * Sessions written to files: read back they go on as if they had never been away, in sessions of
 * other sizes too; any damage, and a session of something else, ends in one line.
 */
#include "engine/model/identity.h"
#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <errno.h>
#include <sys/stat.h>

enum { N = 60, SAVED = 37 };
static int32_t tokens[N];
static char dir[] = "/tmp/session_file_test_XXXXXX";
static char path[128];

static struct cn_session *open_session(const struct cn_model *m, int32_t n_ctx, int32_t n_batch,
                                       enum cn_kv_type kv)
{
    struct cn_session_options o = { .n_ctx = n_ctx, .n_batch = n_batch, .n_threads = 1, .kv = kv };
    return fixture_session(m, &o);
}

static struct cn_model *open_model(const char *name)
{
    char file[512];
    assert_true(fixture_path(file, sizeof file, name));
    return fixture_open(file, NULL);
}

static void eval(struct cn_session *s, int32_t first, int32_t n)
{
    struct cn_error err = { "" };
    if (cn_session_eval(s, tokens + first, n, CN_WANT_LAST, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static void save(struct cn_session *s)
{
    struct cn_error err = { "" };
    if (cn_session_save(s, path, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static void load(struct cn_session *s)
{
    struct cn_error err = { "" };
    if (cn_session_load(s, path, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static void expect_same(const struct cn_session *a, const struct cn_session *b)
{
    assert_non_null(cn_session_logits(a, 0));
    assert_non_null(cn_session_logits(b, 0));
    assert_memory_equal(cn_session_logits(a, 0), cn_session_logits(b, 0),
                        (size_t)a->model->hp.n_vocab * sizeof(float));
}

/* Windows whose rings have turned, shared keys and values, compressed rows, each kind of state. */
static const char *const models[] = { "gemma2.gguf",       "gpt-oss-mxfp4.gguf",
                                      "gemma4-dense.gguf", "deepseek2-groups.gguf",
                                      "lfm2.gguf",         "qwen35-untied.gguf",
                                      "mamba2.gguf",       "falcon-h1-norm.gguf" };

static void read_back(void **state)
{
    static const enum cn_kv_type kv[] = { CN_KV_F32, CN_KV_F16 };
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct cn_model *m = open_model(models[i]);
        for (size_t k = 0; k < 2; k++) {
            /* Where a ring of F16 turns, sums are split. */
            const int32_t n_batch = kv[k] == CN_KV_F16 ? 4 : 9;
            struct cn_session *s = open_session(m, 64, 4, kv[k]);
            struct cn_session *t = open_session(m, 80, n_batch, kv[k]);
            for (int32_t j = 0; j < SAVED; j += 4)
                eval(s, j, j + 4 <= SAVED ? 4 : SAVED - j);
            save(s);
            eval(t, 3, 20); /* another text, which goes */
            load(t);
            assert_int_equal(cn_session_position(t), SAVED);
            assert_null(cn_session_logits(t, 0));
            for (int32_t j = SAVED; j < N; j++) {
                eval(s, j, 1);
                eval(t, j, 1);
                expect_same(s, t);
            }
            cn_session_free(s);
            cn_session_free(t);
        }
        cn_model_close(m);
    }
}

/* Whether the prompt is there without being evaluated again, which takes copies of the states. */
static void kept(struct cn_session *t, int32_t n, int32_t expected)
{
    struct cn_error err = { "" };
    int32_t n_kept = -1;
    if (cn_session_prompt(t, tokens, n, &n_kept, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(n_kept, expected);
}

static void prompts_are_paid_for_once(void **state)
{
    (void)state;
    struct cn_model *m = open_model("falcon-h1-norm.gguf");
    struct cn_session *s = open_session(m, 64, 64, CN_KV_F32),
                      *t = open_session(m, 64, 64, CN_KV_F32);
    int32_t n_kept;
    assert_int_equal(cn_session_prompt(s, tokens, 30, &n_kept, NULL), CN_OK);
    eval(s, 50, 1); /* an answer */
    eval(s, 51, 1);
    save(s);
    load(t);
    kept(t, 30, 30);
    assert_int_equal(cn_session_prompt(s, tokens, 30, &n_kept, NULL), CN_OK);
    expect_same(s, t);
    kept(t, 40, 30);
    load(t); /* and from the answer's end */
    assert_int_equal(cn_session_position(t), 32);
    eval(t, 40, 1);
    assert_int_equal(cn_session_rewind(t, 32, NULL), CN_OK);
    assert_int_equal(cn_session_position(t), 32);
    cn_session_free(s);
    cn_session_free(t);
    cn_model_close(m);
}

/* By evaluating tokens again or without that. */
static void went_back(struct cn_session *s, int32_t position, bool evaluates)
{
    struct cn_work before, after;
    cn_session_work(s, &before);
    assert_int_equal(cn_session_rewind(s, position, NULL), CN_OK);
    assert_int_equal(cn_session_position(s), position);
    cn_session_work(s, &after);
    assert_int_equal(after.bytes > before.bytes, evaluates);
}

/* A ring's spare rows come along. What is older, and what a smaller ring has no room for, is
 * evaluated again. */
static void back_behind_what_was_loaded(void **state)
{
    (void)state;
    struct cn_model *m = open_model("gemma2.gguf");
    struct cn_session *s = open_session(m, 64, 16, CN_KV_F32);
    struct cn_session *t = open_session(m, 64, 16, CN_KV_F32);
    struct cn_session *small = open_session(m, 64, 1, CN_KV_F32);
    eval(s, 0, 60); /* holds 12 .. 59 */
    save(s);
    load(t);
    load(small);
    went_back(t, 44, false); /* the next sees 13 .. */
    went_back(t, 42, true);
    went_back(small, 59, false);
    went_back(small, 57, true);
    cn_session_free(small);
    load(t);
    for (int32_t back = 59; back > 0; back -= 12) {
        assert_int_equal(cn_session_rewind(s, 0, NULL), CN_OK);
        assert_int_equal(cn_session_rewind(t, back, NULL), CN_OK);
        eval(s, 0, back);
        eval(s, back, 1);
        eval(t, back, 1);
        for (int64_t i = 0; i < m->hp.n_vocab; i++) {
            const float d = cn_session_logits(s, 0)[i] - cn_session_logits(t, 0)[i];
            assert_true(d <= 0.029f && d >= -0.029f);
        }
    }
    cn_session_free(s);
    cn_session_free(t);
    cn_model_close(m);
}

/* ---- what is no session ---------------------------------------------------------------------- */

/* One line that names the file, and an empty session behind it that still works. */
static void refused(struct cn_session *s, enum cn_status status, const char *says)
{
    struct cn_error err = { "" };
    assert_int_equal(cn_session_load(s, path, &err), status);
    if (strncmp(err.text, path, strlen(path)) != 0 || !strstr(err.text, says) ||
        strchr(err.text, '\n'))
        fail_msg("'%s' expected, '%s' found", says, err.text);
    assert_int_equal(cn_session_rewind(s, 0, NULL), CN_OK);
    eval(s, 0, 2);
}

static void write_bytes(const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The file with its bytes from `at` on replaced. */
static void refused_with(struct cn_session *s, const char *bytes, size_t n, size_t at,
                         const void *instead, size_t n_instead, enum cn_status status,
                         const char *says)
{
    char *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    memcpy(copy + at, instead, n_instead);
    write_bytes(copy, n);
    refused(s, status, says);
    free(copy);
}

static void damaged(void **state)
{
    (void)state;
    struct cn_model *m = open_model("lfm2.gguf");
    struct cn_session *s = open_session(m, 64, 64, CN_KV_F32);
    int32_t n_kept, number;
    assert_int_equal(cn_session_prompt(s, tokens, 20, &n_kept, NULL), CN_OK);
    eval(s, 20, 1);
    save(s);
    size_t n = 0;
    char *bytes = fixture_read(path, &n);
    assert_non_null(bytes);

    refused_with(s, bytes, n, 0, "X", 1, CN_ERR_FORMAT, "no session file");
    number = 2;
    refused_with(s, bytes, n, 16, &number, 4, CN_ERR_UNSUPPORTED, "version 1 expected, 2 found");
    number = 77;
    refused_with(s, bytes, n, 20, &number, 4, CN_ERR_ARGUMENT, "f32 expected, in an unknown type");
    refused_with(s, bytes, n, 24, "\n\n", 2, CN_ERR_ARGUMENT, "another");
    static const int32_t counts[] = { 0, -1, 65, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        refused_with(s, bytes, n, 88, &counts[i], 4,
                     i == 2 || i == 3 ? CN_ERR_CONTEXT : CN_ERR_FORMAT, " found");
    number = 20;
    refused_with(s, bytes, n, 88, &number, 4, CN_ERR_FORMAT, "bytes expected of a session of 20");
    number = 22;
    refused_with(s, bytes, n, 92, &number, 4, CN_ERR_FORMAT, "0 to 21 expected, from 22");
    refused_with(s, bytes, n, 96, &number, 4, CN_ERR_FORMAT, "copy 0");
    number = -1;
    refused_with(s, bytes, n, 100, &number, 4, CN_ERR_FORMAT, "copy 0");
    number = 1 << 20;
    refused_with(s, bytes, n, 128 + 4 * 7, &number, 4, CN_ERR_FORMAT, "damaged");
    /* Each byte counts: in the rows, the states, the copies, the checksum. */
    for (size_t at = 128; at < n; at += n / 50) {
        const char other = (char)(bytes[at] ^ 4);
        refused_with(s, bytes, n, at, &other, 1, CN_ERR_FORMAT, "damaged");
    }
    for (size_t cut = 0; cut < n; cut += cut < 200 ? 40 : n / 20) {
        write_bytes(bytes, cut);
        refused(s, CN_ERR_FORMAT, "bytes");
    }
    char *longer = calloc(1, n + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, n);
    write_bytes(longer, n + 1);
    refused(s, CN_ERR_FORMAT, "bytes expected");
    free(longer);

    /* And as it was, it is taken. */
    write_bytes(bytes, n);
    load(s);
    assert_int_equal(cn_session_position(s), 21);
    free(bytes);
    cn_session_free(s);
    cn_model_close(m);
}

static void of_something_else(void **state)
{
    (void)state;
    struct cn_error err = { "" };
    struct cn_model *m = open_model("qwen35-untied.gguf"), *other = open_model("lfm2.gguf");
    struct cn_session *s = open_session(m, 64, 64, CN_KV_F32);
    assert_int_equal(cn_session_save(s, path, &err), CN_ERR_ARGUMENT); /* nothing in it */
    eval(s, 0, 40);
    save(s);
    struct cn_session *t = open_session(m, 64, 64, CN_KV_F16);
    refused(t, CN_ERR_ARGUMENT, "keys and values in f16 expected, in f32 found");
    cn_session_free(t);
    t = open_session(m, 39, 39, CN_KV_F32);
    refused(t, CN_ERR_CONTEXT, "at most 39 tokens expected, as the context has, 40 found");
    cn_session_free(t);
    t = open_session(other, 64, 64, CN_KV_F32);
    refused(t, CN_ERR_ARGUMENT, "of another");
    cn_session_free(t);

    assert_int_equal(unlink(path), 0);
    refused(s, CN_ERR_IO, "No such file");
    errno = 0;
    cn_session_load(s, path, NULL);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    refused(s, CN_ERR_FORMAT, "a regular file expected");
    assert_int_equal(unlink(path), 0);
    cn_session_free(s);
    cn_model_close(m);
    cn_model_close(other);
}

/* The identity is of what the weights and the keys are, not of where they lie. */
static void identities(void **state)
{
    (void)state;
    char a[CN_SHA256_HEX], b[CN_SHA256_HEX];
    struct cn_model *m = open_model("lfm2.gguf"), *other = open_model("lfm2moe.gguf");
    cn_model_identity(m, a);
    cn_model_identity(other, b);
    assert_string_not_equal(a, b);
    size_t n = 0;
    char *bytes = fixture_read(m->gguf.path, &n);
    assert_non_null(bytes);
    write_bytes(bytes, n);
    struct cn_model *copy = fixture_open(path, NULL);
    cn_model_identity(copy, b);
    assert_string_equal(a, b);
    /* One weight differs: the middle of a matrix. */
    const struct cn_gguf_tensor *t = &copy->gguf.tensors[copy->gguf.n_tensors / 2];
    const size_t at = (size_t)((const char *)t->data - (const char *)copy->gguf.tensors[0].data);
    const size_t first =
        (size_t)((const char *)m->gguf.tensors[0].data - (const char *)m->gguf.kv[0].raw);
    char *in_file = memmem(bytes, n, m->gguf.kv[0].raw, m->gguf.kv[0].raw_bytes);
    assert_non_null(in_file);
    in_file[first + at + t->bytes / 2] ^= 1;
    cn_model_close(copy);
    write_bytes(bytes, n);
    copy = fixture_open(path, NULL);
    cn_model_identity(copy, b);
    assert_string_not_equal(a, b);
    free(bytes);
    cn_model_close(copy);
    cn_model_close(m);
    cn_model_close(other);
}

static int group_setup(void **state)
{
    (void)state;
    for (int32_t i = 0; i < N; i++)
        tokens[i] = 20 + i * 37 % 250;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/session", dir);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_back),
        cmocka_unit_test(prompts_are_paid_for_once),
        cmocka_unit_test(back_behind_what_was_loaded),
        cmocka_unit_test(damaged),
        cmocka_unit_test(of_something_else),
        cmocka_unit_test(identities),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

/* SPDX-License-Identifier: MIT */
#include "engine/tools.h"

#include "engine/make/imatrix_file.h"
#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <math.h>

static char folder[] = "/tmp/carnot-imatrix-XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[4][96];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* A text of random tokens. */
static void make_tokens(const struct cn_model *model, int32_t *tokens, size_t n)
{
    uint64_t state = 7;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        tokens[i] = (int32_t)((state >> 33) % (uint64_t)cn_model_get_info(model)->n_vocab);
    }
}

static struct cn_imatrix_result make(const struct cn_model *model, const int32_t *tokens, size_t n,
                                     const struct cn_imatrix_options *o)
{
    struct cn_imatrix_result r = { 0 };
    struct cn_error err = { "" };
    if (cn_imatrix_make(model, tokens, n, o, &r, &err) != CN_OK)
        fail_msg("%s", err.text);
    return r;
}

static void read_back(const char *path, struct cn_imatrix *im)
{
    struct cn_error err = { "" };
    *im = (struct cn_imatrix){ 0 };
    if (cn_imatrix_read(path, im, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static struct cn_imatrix_entry *entry(const struct cn_imatrix *im, const char *name)
{
    struct cn_imatrix_entry *e = cn_imatrix_find(im, name);
    if (!e)
        fail_msg("no entry %s", name);
    return e;
}

static void assert_close(double found, double expected, double relative)
{
    if (!(fabs(found - expected) <= relative * fabs(expected)))
        fail_msg("%.9g found, %.9g expected", found, expected);
}

/* Row i of a tensor of the file. */
static void read_row(const struct cn_model *model, const char *name, int64_t i, float *row)
{
    const struct cn_gguf_tensor *t = cn_gguf_tensor(&model->gguf, name);
    assert_non_null(t);
    const uint8_t *data = t->data;
    t->format->ref->dequantize(t->ne[0], data + (size_t)i * (t->bytes / (size_t)t->ne[1]), row);
}

/* The first layer's input is the normalised embedding: computed here from the file's tensors. */
static void check_first_layer(const char *path)
{
    enum { CTX = 24, CHUNKS = 3, N = CTX * CHUNKS + 5 };
    struct cn_model *model = fixture_open(path, NULL);
    const int64_t d = model->hp.n_embd;
    int32_t tokens[N];
    make_tokens(model, tokens, N);
    double *expected = calloc((size_t)d, sizeof *expected);
    float *x = malloc((size_t)d * sizeof *x), *weight = malloc((size_t)d * sizeof *weight);
    assert_true(expected && x && weight);
    read_row(model, "blk.0.attn_norm.weight", 0, weight);
    const struct cn_model_info *info = cn_model_get_info(model);
    for (int i = 0; i < CTX * CHUNKS; i++) {
        bool bos = i % CTX == 0 && info->add_bos;
        read_row(model, "token_embd.weight", bos ? info->bos : tokens[i], x);
        double squares = 0;
        for (int64_t j = 0; j < d; j++)
            squares += (double)x[j] * (double)x[j];
        double scale = 1 / sqrt(squares / (double)d + (double)model->hp.norm_eps);
        for (int64_t j = 0; j < d; j++)
            expected[j] += pow((double)x[j] * scale * (double)weight[j], 2);
    }
    struct cn_imatrix_options o = { .out = path_of("first"), .dataset = "a text", .n_ctx = CTX };
    struct cn_imatrix_result r = make(model, tokens, N, &o);
    assert_int_equal(r.n_chunks, CHUNKS);
    assert_int_equal(r.n_never, 0);
    struct cn_imatrix im;
    read_back(path_of("first"), &im);
    assert_int_equal(im.n_chunks, CHUNKS);
    assert_int_equal(im.chunk_size, CTX);
    assert_int_equal(im.n_datasets, 1);
    assert_string_equal(im.datasets[0], "a text");
    assert_int_equal(im.n_entries, r.n_entries);
    static const char *const names[] = { "blk.0.attn_q.weight", "blk.0.attn_k.weight",
                                         "blk.0.attn_v.weight" };
    for (int i = 0; i < 3; i++) {
        const struct cn_imatrix_entry *e = entry(&im, names[i]);
        assert_int_equal(e->n_cols, d);
        assert_int_equal(e->n_matrices, 1);
        assert_true(e->count[0] == CTX * CHUNKS);
        for (int64_t j = 0; j < d; j++)
            assert_close(e->sum2[j], expected[j], 1e-5);
    }
    /* Seven matrices in each layer; the output only when asked for. */
    assert_int_equal(im.n_entries, 7 * model->hp.n_layer);
    assert_null(cn_imatrix_find(&im, "output.weight"));
    assert_null(cn_imatrix_find(&im, "token_embd.weight"));
    cn_imatrix_free(&im);
    o.output_tensor = true;
    make(model, tokens, N, &o);
    read_back(path_of("first"), &im);
    assert_int_equal(im.n_entries, 7 * model->hp.n_layer + 1);
    bool tied = cn_gguf_tensor(&model->gguf, "output.weight") == NULL;
    const struct cn_imatrix_entry *e = entry(&im, tied ? "token_embd.weight" : "output.weight");
    assert_true(e->count[0] == CTX * CHUNKS);
    cn_imatrix_free(&im);
    free(expected);
    free(x);
    free(weight);
    cn_model_close(model);
}

static void test_first_layer(void **state)
{
    (void)state;
    check_first_layer("tests/fixtures/arch/llama-f32.gguf");
    check_first_layer("models/prose-8m-f16.gguf"); /* adds BOS */
}

/* Every token goes to n_expert_used experts, so their sums add up to as many times the router's. */
static void test_experts(void **state)
{
    (void)state;
    enum { N = 80 };
    struct cn_model *model = fixture_open("tests/fixtures/arch/olmoe.gguf", NULL);
    const struct cn_hparams *hp = &model->hp;
    int32_t tokens[N];
    make_tokens(model, tokens, N);
    struct cn_imatrix_options o = { .out = path_of("moe"), .dataset = "t", .n_ctx = N };
    struct cn_imatrix_result r = make(model, tokens, N, &o);
    struct cn_imatrix im;
    read_back(path_of("moe"), &im);
    int64_t n_never = 0;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.ffn_gate_inp.weight", (int)i);
        const struct cn_imatrix_entry *router = entry(&im, name);
        assert_true(router->count[0] == N);
        snprintf(name, sizeof name, "blk.%d.ffn_up_exps.weight", (int)i);
        const struct cn_imatrix_entry *up = entry(&im, name);
        snprintf(name, sizeof name, "blk.%d.ffn_down_exps.weight", (int)i);
        const struct cn_imatrix_entry *down = entry(&im, name);
        assert_int_equal(up->n_matrices, hp->n_expert);
        assert_int_equal(down->n_matrices, hp->n_expert);
        assert_int_equal(down->n_cols, hp->n_ff_expert);
        double count = 0;
        for (int64_t e = 0; e < hp->n_expert; e++) {
            count += up->count[e];
            assert_true(up->count[e] == down->count[e]);
            assert_true(up->count[e] <= N); /* no expert takes a token twice */
            assert_true((up->count[e] > 0) == (up->sum2[e * hp->n_embd] > 0));
            n_never += 3 * (up->count[e] == 0);
        }
        assert_true(count == (double)(N * hp->n_expert_used));
        for (int64_t j = 0; j < hp->n_embd; j++) {
            double sum = 0;
            for (int64_t e = 0; e < hp->n_expert; e++)
                sum += up->sum2[e * hp->n_embd + j];
            assert_close(sum, (double)hp->n_expert_used * router->sum2[j], 1e-5);
        }
    }
    assert_int_equal(r.n_never, n_never);
    cn_imatrix_free(&im);
    cn_model_close(model);
}

static void assert_same(const char *a_path, const char *b_path)
{
    struct cn_imatrix a, b;
    read_back(a_path, &a);
    read_back(b_path, &b);
    assert_int_equal(a.n_entries, b.n_entries);
    assert_int_equal(a.n_chunks, b.n_chunks);
    assert_int_equal(a.chunk_size, b.chunk_size);
    for (size_t i = 0; i < a.n_entries; i++) {
        const struct cn_imatrix_entry *x = a.entries[i], *y = b.entries[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->n_cols, y->n_cols);
        assert_int_equal(x->n_matrices, y->n_matrices);
        for (int64_t m = 0; m < x->n_matrices; m++)
            assert_true(x->count[m] == y->count[m]);
        for (int64_t k = 0; k < x->n_cols * x->n_matrices; k++)
            assert_close(x->sum2[k], y->sum2[k], 1e-6); /* floats in the file between */
    }
    cn_imatrix_free(&a);
    cn_imatrix_free(&b);
}

static void count_writes(void *user, int32_t done, int32_t total)
{
    int *n = user;
    struct cn_imatrix im;
    assert_int_equal(total, 5);
    if (access(path_of("every"), F_OK) != 0) {
        assert_true(done < 2);
        return;
    }
    read_back(path_of("every"), &im);
    assert_int_equal(im.n_chunks, done - done % 2);
    cn_imatrix_free(&im);
    ++*n;
}

static bool stop_at_3(void *user)
{
    return ++*(int *)user > 3;
}

static void test_resume_and_merge(void **state)
{
    (void)state;
    enum { CTX = 16, CHUNKS = 5, N = CTX * CHUNKS };
    struct cn_model *model = fixture_open("tests/fixtures/arch/olmoe.gguf", NULL);
    int32_t tokens[N];
    make_tokens(model, tokens, N);
    struct cn_imatrix_options o = { .out = path_of("whole"), .dataset = "t", .n_ctx = CTX };
    make(model, tokens, N, &o);

    /* What the text was, or a part of it from all over: a sample. */
    struct cn_imatrix im;
    read_back(path_of("whole"), &im);
    assert_int_equal(im.n_sample, N);
    assert_memory_equal(im.sample + 1, tokens + 1, (N - 1) * sizeof *tokens);
    cn_imatrix_free(&im);

    /* Written on the way. */
    int n = 0;
    o.out = path_of("every");
    o.every = 2;
    o.user = &n;
    o.progress = count_writes;
    o.resume = true; /* of nothing */
    make(model, tokens, N, &o);
    assert_int_equal(n, 4);
    assert_same(path_of("whole"), path_of("every"));

    /* Cancelled after 3 chunks, which are kept, then resumed. */
    struct cn_error err = { "" };
    struct cn_imatrix_result r = { 0 };
    n = 0;
    o = (struct cn_imatrix_options){
        .out = path_of("part"), .dataset = "t", .n_ctx = CTX, .user = &n, .cancel = stop_at_3
    };
    assert_int_equal(cn_imatrix_make(model, tokens, N, &o, &r, &err), CN_ERR_CANCELLED);
    assert_int_equal(r.n_chunks, 3);
    o.cancel = NULL;
    o.resume = true;
    r = make(model, tokens, N, &o);
    assert_int_equal(r.n_resumed, 3);
    assert_int_equal(r.n_chunks, CHUNKS);
    assert_same(path_of("whole"), path_of("part"));
    r = make(model, tokens, N, &o); /* nothing left to do */
    assert_int_equal(r.n_resumed, CHUNKS);
    assert_same(path_of("whole"), path_of("part"));

    /* Two texts apart and merged, or one added to the other's file, are the whole. */
    const char *in[2] = { path_of("a"), path_of("b") };
    o = (struct cn_imatrix_options){ .out = in[0], .dataset = "t", .n_ctx = CTX };
    make(model, tokens, 2 * CTX, &o);
    o.out = in[1];
    make(model, tokens + 2 * CTX, 3 * CTX, &o);
    o = (struct cn_imatrix_options){ .out = path_of("merged"), .in = in, .n_in = 2 };
    r = make(NULL, NULL, 0, &o);
    assert_int_equal(r.total_chunks, CHUNKS);
    assert_same(path_of("whole"), path_of("merged"));
    char same[96];
    snprintf(same, sizeof same, "%s", path_of("a"));
    const char *self[1] = { same };
    o = (struct cn_imatrix_options){
        .out = same, .in = self, .n_in = 1, .dataset = "t", .n_ctx = CTX, .every = 1
    };
    make(model, tokens + 2 * CTX, 3 * CTX, &o);
    assert_same(path_of("whole"), same);
    cn_model_close(model);
}

static void refused(const struct cn_model *model, const int32_t *tokens, size_t n,
                    const struct cn_imatrix_options *o, const char *says)
{
    struct cn_error err = { "" };
    struct cn_imatrix_result r = { 0 };
    assert_int_not_equal(cn_imatrix_make(model, tokens, n, o, &r, &err), CN_OK);
    if (!strstr(err.text, says))
        fail_msg("'%s' lacks '%s'", err.text, says);
}

static void test_refusals(void **state)
{
    (void)state;
    enum { CTX = 16, N = 2 * CTX };
    struct cn_model *model = fixture_open("tests/fixtures/arch/olmoe.gguf", NULL);
    struct cn_model *other = fixture_open("tests/fixtures/arch/qwen3moe.gguf", NULL);
    int32_t tokens[N];
    make_tokens(model, tokens, N);
    struct cn_imatrix_options o = { .out = path_of("refused"), .dataset = "t", .n_ctx = N + 1 };
    refused(model, tokens, N, &o, "32 tokens; at least 33");
    o.n_ctx = CTX;
    refused(NULL, NULL, 0, &o, "neither");
    assert_int_not_equal(access(o.out, F_OK), 0);
    o.n_chunks = 1;
    make(model, tokens, N, &o);
    o.n_chunks = 0;
    o.resume = true;
    o.n_ctx = CTX / 2;
    refused(model, tokens, N, &o, "chunks of 8 tokens expected, 16 found");
    o.n_ctx = CTX;
    o.dataset = "another";
    refused(model, tokens, N, &o, "not made from the text 'another'");
    o.dataset = "t";
    refused(other, tokens, N, &o, "not the model that it was made with");
    tokens[N - 1] ^= 1; /* the same name, the same beginning */
    refused(model, tokens, N, &o, "not the text that it was made from");
    tokens[N - 1] ^= 1;
    o.text_sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    refused(model, tokens, N, &o, "not the text that it was made from");
    o.text_sha256 = NULL;
    const char *in[1] = { path_of("refused") };
    o.in = in;
    o.n_in = 1;
    refused(model, tokens, N, &o, "told apart");
    /* A token outside the vocabulary: nothing is written. */
    tokens[3] = -1;
    o = (struct cn_imatrix_options){ .out = path_of("bad"), .dataset = "t", .n_ctx = CTX };
    refused(model, tokens, N, &o, "token 3");
    assert_int_not_equal(access(path_of("bad"), F_OK), 0);
    cn_model_close(other);
    cn_model_close(model);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "first", "moe", "whole",  "every",   "part",
                                         "a",     "b",   "merged", "refused", "bad" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_layer),
        cmocka_unit_test(test_experts),
        cmocka_unit_test(test_resume_and_merge),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

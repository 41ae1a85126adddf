/* SPDX-License-Identifier: MIT */
#include "engine/run/session.h"
#include "tests/arch_fixture.h"

#include <math.h>

#define ARCH "tests/fixtures/arch/"

/* Tokens that any fixture's vocabulary has. */
static int32_t token_at(int32_t i)
{
    return 20 + i * 37 % 250;
}

enum { MANY = 220 };
static int32_t tokens[MANY];

static struct cn_session *open_session(const struct cn_model *m, int32_t n_ctx, int32_t n_batch,
                                       int32_t n_logits)
{
    struct cn_session_options o = {
        .n_ctx = n_ctx, .n_batch = n_batch, .n_logits = n_logits, .n_threads = 1, .kv = CN_KV_F32
    };
    return fixture_session(m, &o);
}

static void eval(struct cn_session *s, int32_t first, int32_t n)
{
    struct cn_error err = { "" };
    if (cn_session_eval(s, tokens + first, n, CN_WANT_LAST, &err) != CN_OK)
        fail_msg("%s", err.text);
}

/* One token a call, as generating does. */
static void eval_singly(struct cn_session *s, int32_t first, int32_t end)
{
    for (int32_t i = first; i < end; i++)
        eval(s, i, 1);
}

static void expect_same_logits(const struct cn_session *a, const struct cn_session *b)
{
    size_t bytes = (size_t)a->model->hp.n_vocab * sizeof(float);
    assert_non_null(cn_session_logits(a, 0));
    assert_non_null(cn_session_logits(b, 0));
    assert_memory_equal(cn_session_logits(a, 0), cn_session_logits(b, 0), bytes);
}

/* Of the same tokens in other batches: gemma2's may be off by 0.029. */
static void expect_close_logits(const struct cn_session *a, const struct cn_session *b)
{
    const float *x = cn_session_logits(a, 0), *y = cn_session_logits(b, 0);
    assert_true(x && y);
    for (int64_t i = 0; i < a->model->hp.n_vocab; i++)
        if (!(fabsf(x[i] - y[i]) <= 0.029f))
            fail_msg("logit %d: %g and %g", (int)i, (double)x[i], (double)y[i]);
}

static void context_overflow(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct cn_session *s = open_session(m, 16, 0, 0), *fresh = open_session(m, 16, 0, 0);
    struct cn_error err = { "" };
    (void)state;
    assert_int_equal(cn_session_n_ctx(s), 16);
    eval(s, 0, 10);
    assert_int_equal(cn_session_eval(s, tokens + 10, 7, CN_WANT_LAST, &err), CN_ERR_CONTEXT);
    assert_non_null(strstr(err.text, "16"));
    assert_non_null(strstr(err.text, "10 used"));
    assert_int_equal(cn_session_position(s), 10);
    assert_non_null(cn_session_logits(s, 0));
    eval(s, 10, 6);
    assert_int_equal(cn_session_position(s), 16);
    eval(fresh, 0, 10);
    eval(fresh, 10, 6);
    expect_same_logits(s, fresh);
    assert_int_equal(cn_session_eval(s, tokens, 1, CN_WANT_LAST, &err), CN_ERR_CONTEXT);
    assert_int_equal(cn_session_eval(s, tokens, INT32_MAX, CN_WANT_LAST, &err), CN_ERR_CONTEXT);
    cn_session_free(s);
    cn_session_free(fresh);
    cn_model_close(m);
}

static void rewinding(void **state)
{
    struct cn_model *m = fixture_open(ARCH "qwen2-odd.gguf", NULL);
    struct cn_session *s = open_session(m, 64, 0, 0), *fresh = open_session(m, 64, 0, 0);
    struct cn_error err = { "" };
    (void)state;
    eval(s, 0, 20);
    eval(s, 20, 9);
    eval(s, 100, 30); /* another end */
    assert_int_equal(cn_session_rewind(s, 60, &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_session_rewind(s, -1, &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_session_position(s), 59);
    assert_int_equal(cn_session_rewind(s, 59, &err), CN_OK);
    assert_int_equal(cn_session_rewind(s, 20, &err), CN_OK);
    assert_int_equal(cn_session_position(s), 20);
    assert_null(cn_session_logits(s, 0));
    eval(s, 20, 9);
    eval(fresh, 0, 20);
    eval(fresh, 20, 9);
    expect_same_logits(s, fresh);
    assert_int_equal(cn_session_rewind(s, 0, &err), CN_OK);
    assert_int_equal(cn_session_rewind(fresh, 0, &err), CN_OK);
    eval(s, 50, 40);
    eval(fresh, 50, 40);
    expect_same_logits(s, fresh);
    cn_session_free(s);
    cn_session_free(fresh);
    cn_model_close(m);
}

/* Layers with a sliding window keep window + batch positions. Tokens far beyond give what a cache
 * that keeps everything gives. */
static void ring_equals_long_cache(const char *path)
{
    struct cn_model *m = fixture_open(path, NULL);
    /* Small batches make small rings; with this batch nothing is overwritten. */
    struct cn_session *ring = open_session(m, 256, 1, 0), *whole = open_session(m, 256, 256, 0);
    assert_true(cn_session_kv_bytes(ring) < cn_session_kv_bytes(whole));
    for (int32_t i = 0; i < MANY; i++) {
        eval(ring, i, 1);
        eval(whole, i, 1);
        expect_same_logits(ring, whole);
    }
    cn_session_free(ring);
    cn_session_free(whole);

    /* Batches that do not divide the ring, through the many-token form of attention. */
    ring = open_session(m, 256, 13, 0);
    whole = open_session(m, 256, 256, 0);
    for (int32_t i = 0; i + 13 <= MANY; i += 13) {
        eval(ring, i, 13);
        eval(whole, i, 13);
        expect_same_logits(ring, whole);
    }
    cn_session_free(ring);
    cn_session_free(whole);
    cn_model_close(m);
}

static void sliding_windows(void **state)
{
    char path[512];
    (void)state;
    ring_equals_long_cache(ARCH "gemma2.gguf");
    ring_equals_long_cache(ARCH "gemma3.gguf");
    if (fixture_path(path, sizeof path, "phi3-swa.gguf"))
        ring_equals_long_cache(path);
}

static int64_t bytes_so_far(const struct cn_session *s)
{
    struct cn_work work;
    cn_session_work(s, &work);
    return work.bytes;
}

/* Goes back, by evaluating tokens once more or without that. */
static void go_back(struct cn_session *s, int32_t position, bool evaluates)
{
    struct cn_error err = { "" };
    const int64_t before = bytes_so_far(s);
    if (cn_session_rewind(s, position, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_session_position(s), position);
    assert_int_equal(bytes_so_far(s) > before, evaluates);
}

/* How far back a ring can go: gemma2's window of 32 and batches of 16 keep 48 positions. What is
 * further back is evaluated again. */
static void rewinding_a_ring(void **state)
{
    struct cn_model *m = fixture_open(ARCH "gemma2.gguf", NULL);
    struct cn_session *s = open_session(m, 256, 16, 0), *fresh = open_session(m, 256, 256, 0);
    (void)state;
    assert_int_equal(m->hp.window, 32);
    eval_singly(fresh, 0, 95);
    eval_singly(s, 0, 100); /* holds 52 .. 99 */
    go_back(s, 90, false);  /* the next sees 59 .. */
    go_back(s, 83, false);
    eval_singly(s, 83, 95);
    expect_same_logits(s, fresh);
    /* A second step back does not bring back what the first 100 positions have overwritten. */
    go_back(s, 82, true); /* would see 51 */
    eval_singly(s, 82, 95);
    expect_close_logits(s, fresh);
    go_back(s, 30, true);
    eval_singly(s, 30, 95);
    expect_close_logits(s, fresh);
    go_back(s, 0, false);
    eval_singly(s, 0, 40);
    go_back(s, 5, false); /* nothing is lost yet */
    cn_session_free(s);
    cn_session_free(fresh);
    cn_model_close(m);
}

static void which_logits(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct cn_session *s = open_session(m, 64, 5, 23), *one = open_session(m, 64, 5, 0);
    struct cn_error err = { "" };
    const size_t bytes = (size_t)m->hp.n_vocab * sizeof(float);
    (void)state;
    assert_null(cn_session_logits(s, 0));
    /* Over several batches, counted through. */
    assert_int_equal(cn_session_eval(s, tokens, 23, CN_WANT_ALL, &err), CN_OK);
    assert_null(cn_session_logits(s, -1));
    assert_null(cn_session_logits(s, 23));
    for (int32_t i = 0; i < 23; i += 5) {
        /* The same batches up to there, then the batch's first token only. */
        assert_int_equal(cn_session_rewind(one, 0, &err), CN_OK);
        eval(one, 0, i + 5 < 23 ? i + 5 : 23);
        const float *last = cn_session_logits(s, i + 5 < 23 ? i + 4 : 22);
        for (size_t v = 0; v < bytes / sizeof(float); v++)
            if (!(fabsf(last[v] - cn_session_logits(one, 0)[v]) < 1e-4f))
                fail_msg("position %d differs", i);
    }
    assert_int_equal(cn_session_eval(s, tokens, 24, CN_WANT_ALL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "23"));
    assert_int_equal(cn_session_position(s), 23);
    assert_int_equal(cn_session_eval(s, tokens, 3, CN_WANT_NONE, &err), CN_OK);
    assert_null(cn_session_logits(s, 0));
    assert_int_equal(cn_session_eval(s, tokens, 7, CN_WANT_LAST, &err), CN_OK);
    assert_non_null(cn_session_logits(s, 0));
    assert_null(cn_session_logits(s, 1));
    cn_session_free(s);
    cn_session_free(one);
    cn_model_close(m);
}

static void invalid_tokens(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct cn_session *s = open_session(m, 64, 0, 0);
    struct cn_error err = { "" };
    (void)state;
    const int32_t wrong[] = { -1, (int32_t)m->hp.n_vocab, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int32_t some[3] = { 1, 2, wrong[i] };
        assert_int_equal(cn_session_eval(s, some, 3, CN_WANT_LAST, &err), CN_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "token 2"));
        assert_int_equal(cn_session_position(s), 0);
    }
    assert_int_equal(cn_session_eval(s, tokens, 0, CN_WANT_LAST, &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_session_eval(s, tokens, -5, CN_WANT_LAST, NULL), CN_ERR_ARGUMENT);
    cn_session_free(s);
    cn_model_close(m);
}

static void expect_no_session(const struct cn_model *m, struct cn_session_options o,
                              enum cn_status status)
{
    struct cn_session *s = NULL;
    struct cn_error err = { "" };
    assert_int_equal(cn_session_create(m, &o, &s, &err), status);
    assert_null(s);
    assert_string_not_equal(err.text, "");
}

static void options_out_of_range(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-keylen.gguf", NULL);
    (void)state;
    expect_no_session(m, (struct cn_session_options){ .n_ctx = -1 }, CN_ERR_ARGUMENT);
    expect_no_session(m, (struct cn_session_options){ .n_batch = -1 }, CN_ERR_ARGUMENT);
    expect_no_session(m, (struct cn_session_options){ .n_logits = -1 }, CN_ERR_ARGUMENT);
    expect_no_session(m, (struct cn_session_options){ .n_threads = -1 }, CN_ERR_ARGUMENT);
    expect_no_session(m, (struct cn_session_options){ .n_threads = 1025 }, CN_ERR_ARGUMENT);
    expect_no_session(m, (struct cn_session_options){ .n_threads_prefill = 1025 }, CN_ERR_ARGUMENT);
    expect_no_session(m, (struct cn_session_options){ .kv = (enum cn_kv_type)3 }, CN_ERR_ARGUMENT);
    /* Heads of 48 do not fall into blocks of 32. */
    expect_no_session(m, (struct cn_session_options){ .kv = CN_KV_Q8_0 }, CN_ERR_UNSUPPORTED);
    /* More than any machine has, and than size_t counts in places. */
    expect_no_session(m,
                      (struct cn_session_options){
                          .n_ctx = INT32_MAX, .n_batch = INT32_MAX, .n_logits = INT32_MAX },
                      CN_ERR_MEMORY);
    cn_model_close(m);

    struct cn_model_options vocab = { .vocab_only = true };
    assert_int_equal(cn_model_open(ARCH "llama-keylen.gguf", &vocab, &m, NULL), CN_OK);
    expect_no_session(m, (struct cn_session_options){ 0 }, CN_ERR_ARGUMENT);
    cn_model_close(m);
    cn_session_free(NULL);
    cn_model_close(NULL);
}

static void defaults(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct cn_session *s = fixture_session(m, NULL);
    const struct cn_model_info *info = cn_model_get_info(m);
    (void)state;
    assert_int_equal(cn_session_n_ctx(s), info->n_ctx_train);
    assert_int_equal(cn_session_position(s), 0);
    /* f16 keys and values */
    assert_int_equal(cn_session_kv_bytes(s), info->n_layer * (int64_t)info->n_ctx_train *
                                                 m->hp.n_head_kv * (m->hp.d_k + m->hp.d_v) * 2);
    eval(s, 0, 3);
    cn_session_free(s);
    cn_model_close(m);
}

/* ---- callbacks ------------------------------------------------------------------------------ */

struct spans {
    int open[CN_N_OPS], n[CN_N_OPS], depth, n_layer, asked, allowed;
};

static void span_begin(void *user, enum cn_op op, int layer, const char *format)
{
    struct spans *spans = user;
    assert_in_range(op, 0, CN_N_OPS - 1);
    assert_true(layer >= -1 && layer < spans->n_layer);
    assert_int_equal(spans->depth, 0); /* spans do not nest */
    if (op == CN_OP_QKV || op == CN_OP_OUTPUT)
        assert_string_equal(format, "f16");
    spans->depth++;
    spans->open[op]++;
    spans->n[op]++;
}

static void count_span(void *user, enum cn_op op, int layer, const char *format)
{
    struct spans *spans = user;
    (void)layer;
    (void)format;
    spans->depth++;
    spans->open[op]++;
    spans->n[op]++;
}

static void span_end(void *user, enum cn_op op, int layer)
{
    struct spans *spans = user;
    (void)layer;
    spans->depth--;
    spans->open[op]--;
    assert_int_equal(spans->open[op], 0);
}

static bool cancel(void *user)
{
    struct spans *spans = user;
    return ++spans->asked > spans->allowed;
}

static int repeat(void *user, enum cn_op op, int layer)
{
    const struct spans *spans = user;
    assert_int_equal(spans->open[op], 1);
    assert_true(layer < spans->n_layer);
    return op == CN_OP_QKV ? 3 : 1;
}

/* What an op is made of is done again within its span; what can be done twice without harm is the
 * same afterwards. */
static void repeated_ops(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-f32.gguf", NULL);
    struct spans spans = { .n_layer = (int)m->hp.n_layer };
    struct cn_session_options o = {
        .n_ctx = 64,
        .n_threads = 1,
        .kv = CN_KV_F32,
        .callbacks = {.user = &spans, .span_end = span_end, .repeat = repeat}
    };
    (void)state;
    o.callbacks.span_begin = count_span;
    struct cn_session *s = fixture_session(m, &o), *plain = open_session(m, 64, 0, 0);
    eval(s, 0, 8);
    eval(plain, 0, 8);
    expect_same_logits(s, plain);
    assert_int_equal(spans.n[CN_OP_QKV], m->hp.n_layer);
    struct cn_work more, once;
    cn_session_work(s, &more);
    cn_session_work(plain, &once);
    const struct cn_layer *layer = &m->layers[0];
    int64_t cells = (layer->q.rows + layer->k.rows + layer->v.rows) * layer->q.cols;
    assert_int_equal(more.float_ops - once.float_ops, 2 * 2 * cells * 8 * m->hp.n_layer);
    assert_int_equal(more.bytes - once.bytes, 2 * 4 * cells * m->hp.n_layer);
    cn_session_free(s);
    cn_session_free(plain);
    cn_model_close(m);
}

/* The weights of a token, and the cache that it reads. */
static void work_is_counted(void **state)
{
    static const char *const files[] = { ARCH "llama-f32.gguf", "models/prose-8m-f16.gguf" };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cn_model *m = fixture_open(files[i], NULL);
        struct cn_session *s = open_session(m, 64, 0, 0);
        struct cn_work a, b;
        eval(s, 0, 8);
        cn_session_work(s, &a);
        eval(s, 8, 1);
        cn_session_work(s, &b);
        int64_t kv = 9 * 4 * m->hp.n_layer * m->hp.n_head_kv * (m->hp.d_k + m->hp.d_v);
        int64_t embedding = (int64_t)m->token_embd.row_bytes;
        assert_int_equal(b.int8_ops, 0);
        assert_int_equal(b.unpacked, 0);
        assert_int_equal(b.float_ops - a.float_ops, (int64_t)m->info.decode_ops);
        /* decode_bytes knows norms too. */
        int64_t bytes = b.bytes - a.bytes - kv + embedding;
        assert_true(bytes <= m->info.decode_bytes && bytes > m->info.decode_bytes * 95 / 100);
        cn_session_free(s);
        cn_model_close(m);
    }
}

static void spans_and_cancelling(void **state)
{
    struct cn_model *m = fixture_open(ARCH "qwen3moe.gguf", NULL);
    struct spans spans = { .n_layer = (int)m->hp.n_layer, .allowed = 1000000 };
    struct cn_session_options o = {
        .n_ctx = 64,
        .n_batch = 8,
        .n_threads = 1,
        .kv = CN_KV_F32,
        .callbacks = {.user = &spans,
                      .span_begin = span_begin,
                      .span_end = span_end,
                      .cancel = cancel}
    };
    struct cn_session *s = fixture_session(m, &o), *plain = open_session(m, 64, 8, 0);
    struct cn_error err = { "" };
    (void)state;
    eval(s, 0, 8);
    assert_int_equal(spans.depth, 0);
    for (int op = 0; op < CN_N_OPS; op++) {
        assert_non_null(cn_op_name((enum cn_op)op));
        /* What only some architectures do. */
        const bool rare = op >= CN_OP_ABSORB;
        if ((spans.n[op] == 0) != rare)
            fail_msg("no span of %s", cn_op_name((enum cn_op)op));
    }
    assert_null(cn_op_name(CN_N_OPS));
    assert_int_equal(spans.n[CN_OP_ATTENTION], m->hp.n_layer);
    assert_int_equal(spans.n[CN_OP_OUTPUT], 1);
    assert_int_equal(spans.asked, m->hp.n_layer);

    /* Within the second of three batches: the first counts, and one can go on from there. */
    spans.asked = 0;
    spans.allowed = (int)m->hp.n_layer + 1;
    assert_int_equal(cn_session_eval(s, tokens + 8, 24, CN_WANT_LAST, &err), CN_ERR_CANCELLED);
    assert_int_equal(spans.depth, 0);
    assert_int_equal(cn_session_position(s), 16);
    assert_null(cn_session_logits(s, 0));
    spans.allowed = 1000000;
    eval(s, 16, 16);
    eval(plain, 0, 32);
    expect_same_logits(s, plain);
    cn_session_free(s);
    cn_session_free(plain);
    cn_model_close(m);
}

/* Sessions of one model do not disturb each other. */
static void two_sessions(void **state)
{
    struct cn_model *m = fixture_open(ARCH "llama-moe.gguf", NULL);
    struct cn_session *a = open_session(m, 64, 0, 0), *b = open_session(m, 64, 0, 0);
    (void)state;
    eval(a, 0, 20);
    eval(b, 30, 11);
    eval(a, 20, 12);
    assert_int_equal(cn_session_rewind(b, 0, NULL), CN_OK);
    eval(b, 0, 20);
    eval(b, 20, 12);
    expect_same_logits(a, b);
    cn_session_free(a);
    cn_session_free(b);
    cn_model_close(m);
}

static int make_tokens(void **state)
{
    (void)state;
    for (int32_t i = 0; i < MANY; i++)
        tokens[i] = token_at(i);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_overflow),     cmocka_unit_test(rewinding),
        cmocka_unit_test(sliding_windows),      cmocka_unit_test(rewinding_a_ring),
        cmocka_unit_test(which_logits),         cmocka_unit_test(invalid_tokens),
        cmocka_unit_test(options_out_of_range), cmocka_unit_test(defaults),
        cmocka_unit_test(spans_and_cancelling), cmocka_unit_test(repeated_ops),
        cmocka_unit_test(work_is_counted),      cmocka_unit_test(two_sessions),
    };
    return cmocka_run_group_tests(tests, make_tokens, NULL);
}

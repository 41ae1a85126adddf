/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/gguf_check.h"

static char dir[] = "/tmp/cn-check-XXXXXX";
static char path[128];

static struct cn_gguf_writer *create(void)
{
    struct cn_gguf_writer *w = NULL;
    assert_int_equal(cn_gguf_writer_create(path, &w, NULL), CN_OK);
    return w;
}

/* Finishes the file and opens it again. */
static void reopen(struct cn_gguf_writer *w, struct cn_gguf *g)
{
    struct cn_error err;
    if (cn_gguf_writer_finish(w, &err) != CN_OK || cn_gguf_open(path, g, &err) != CN_OK)
        fail_msg("%s", err.text);
}

static void expect_metadata(struct cn_gguf_writer *w, enum cn_status status, const char *words)
{
    struct cn_gguf g;
    struct cn_error err = { "" };
    reopen(w, &g);
    enum cn_status found = cn_gguf_check_metadata(&g, &err);
    cn_gguf_close(&g);
    if (found != status || !strstr(err.text, words))
        fail_msg("\"%s\" expected in the message \"%s\"", words, err.text);
}

/* ---- models ------------------------------------------------------------------------------- */

enum { N_LAYER = 3, N_EMBD = 16, N_VOCAB = 4 };

/* A vocabulary file of three layers, but for the heads. */
static struct cn_gguf_writer *begin_model(void)
{
    static const uint8_t tokens[N_VOCAB * 8]; /* four empty strings */
    struct cn_gguf_writer *w = create();
    cn_gguf_writer_str(w, "general.architecture", "toy");
    cn_gguf_writer_u32(w, "toy.block_count", N_LAYER);
    cn_gguf_writer_u32(w, "toy.embedding_length", N_EMBD);
    cn_gguf_writer_u32(w, "toy.context_length", 128);
    cn_gguf_writer_f32(w, "toy.attention.layer_norm_rms_epsilon", 1e-5f);
    cn_gguf_writer_str(w, "tokenizer.ggml.model", "llama");
    cn_gguf_writer_array(w, "tokenizer.ggml.tokens", CN_GGUF_STRING, N_VOCAB, tokens,
                         sizeof tokens);
    return w;
}

static void heads_have_to_divide(void **state)
{
    static const uint32_t heads[N_LAYER] = { 4, 0, 8 }, heads_kv[N_LAYER] = { 2, 0, 8 };
    static const uint32_t wrong[N_LAYER] = { 2, 0, 3 };
    struct cn_gguf_writer *w = begin_model();
    (void)state;
    expect_metadata(w, CN_ERR_FORMAT, "required key \"toy.attention.head_count\" is missing");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 4);
    expect_metadata(w, CN_OK, "");

    w = begin_model();
    cn_gguf_writer_array(w, "toy.attention.head_count", CN_GGUF_U32, 3, heads, sizeof heads);
    cn_gguf_writer_array(w, "toy.attention.head_count_kv", CN_GGUF_U32, 3, heads_kv,
                         sizeof heads_kv);
    expect_metadata(w, CN_OK, "");

    w = begin_model();
    cn_gguf_writer_array(w, "toy.attention.head_count", CN_GGUF_U32, 3, heads, sizeof heads);
    cn_gguf_writer_array(w, "toy.attention.head_count_kv", CN_GGUF_U32, 3, wrong, sizeof wrong);
    expect_metadata(w, CN_ERR_FORMAT, "3 found, a divisor of the 8 heads of layer 2");

    w = begin_model();
    cn_gguf_writer_array(w, "toy.attention.head_count", CN_GGUF_U32, 2, heads, 8);
    expect_metadata(w, CN_ERR_FORMAT, "2 entries found, one for each of 3 layers");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 5);
    expect_metadata(w, CN_ERR_FORMAT, "5 found, a divisor of the embedding length 16");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 5);
    cn_gguf_writer_u32(w, "toy.attention.key_length", 6);
    cn_gguf_writer_u32(w, "toy.rope.dimension_count", 6);
    expect_metadata(w, CN_OK, "");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 4);
    cn_gguf_writer_u32(w, "toy.rope.dimension_count", 3);
    expect_metadata(w, CN_ERR_FORMAT, "3 found, an even number up to the head size 4");
}

static void vocabulary_has_to_fit(void **state)
{
    static const int32_t types[N_VOCAB] = { 1, 1, 1, 1 };
    static const float scores[N_VOCAB] = { 0, -1, -2, -3 };
    struct cn_gguf g;
    int64_t n_vocab = 0;
    struct cn_gguf_writer *w = begin_model();
    (void)state;
    cn_gguf_writer_array(w, "tokenizer.ggml.token_type", CN_GGUF_I32, 4, types, sizeof types);
    cn_gguf_writer_array(w, "tokenizer.ggml.scores", CN_GGUF_F32, 4, scores, sizeof scores);
    reopen(w, &g);
    assert_int_equal(cn_gguf_check_vocab(&g, &n_vocab, NULL), CN_OK);
    assert_int_equal(n_vocab, N_VOCAB);
    cn_gguf_close(&g);

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 4);
    cn_gguf_writer_array(w, "tokenizer.ggml.token_type", CN_GGUF_I32, 3, types, 12);
    expect_metadata(w, CN_ERR_FORMAT, "3 entries found, one for each of 4 tokens");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 4);
    cn_gguf_writer_array(w, "tokenizer.ggml.token_type", CN_GGUF_F32, 4, scores, sizeof scores);
    expect_metadata(w, CN_ERR_FORMAT, "an array of integers expected");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.attention.head_count", 4);
    cn_gguf_writer_array(w, "tokenizer.ggml.merges", CN_GGUF_I32, 4, types, sizeof types);
    expect_metadata(w, CN_ERR_FORMAT, "\"tokenizer.ggml.merges\": an array of strings expected");
}

/* Tensors of one column each, so that their data is quickly written. */
static void add_tensors(struct cn_gguf_writer *w, const char *const *names, int n)
{
    static const float data[N_EMBD * N_VOCAB];
    static const int64_t embedding[2] = { N_EMBD, N_VOCAB }, small[1] = { 1 };
    cn_gguf_writer_u32(w, "toy.attention.head_count", 4);
    cn_gguf_writer_tensor(w, "token_embd.weight", 0, 2, embedding, sizeof data);
    for (int i = 0; i < n; i++)
        cn_gguf_writer_tensor(w, names[i], 0, 1, small, sizeof(float));
    cn_gguf_writer_data(w, data, sizeof data);
    for (int i = 0; i < n; i++)
        cn_gguf_writer_data(w, data, sizeof(float));
}

static void blocks_have_to_be_there(void **state)
{
    static const char *const good[] = { "blk.0.x", "blk.2.x", "blk.1.x", "blk.x", "blk.", "other" };
    static const char *const gap[] = { "blk.0.x", "blk.2.x" };
    static const char *const beyond[] = { "blk.0.x", "blk.1.x", "blk.2.x",
                                          "blk.99999999999999999999999999.x" };
    struct cn_gguf_writer *w = begin_model();
    (void)state;
    add_tensors(w, good, 6);
    expect_metadata(w, CN_OK, "");

    w = begin_model();
    add_tensors(w, gap, 2);
    expect_metadata(w, CN_ERR_FORMAT, "no tensor of block 1, 3 blocks expected");

    w = begin_model();
    add_tensors(w, beyond, 4);
    expect_metadata(w, CN_ERR_FORMAT, "99.x\": a block below 3 (block_count) expected");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.expert_count", 8);
    add_tensors(w, good, 6);
    expect_metadata(w, CN_ERR_FORMAT, "tensors of 8 experts expected");

    w = begin_model();
    cn_gguf_writer_u32(w, "toy.expert_count", 8);
    cn_gguf_writer_u32(w, "toy.expert_used_count", 9);
    add_tensors(w, good, 6);
    expect_metadata(w, CN_ERR_FORMAT, "expert_used_count\": 9 found, 0 to 8 expected");
}

/* ---- importance matrices ------------------------------------------------------------------ */

static struct cn_gguf_writer *imatrix(const char *counts_name, int64_t n_counts)
{
    static const float data[12];
    const int64_t ne[2] = { 6, 2 }, counts[2] = { 1, n_counts };
    struct cn_gguf_writer *w = create();
    cn_gguf_writer_str(w, "general.type", "imatrix");
    cn_gguf_writer_tensor(w, "blk.0.attn_q.weight.in_sum2", 0, 2, ne, sizeof data);
    cn_gguf_writer_tensor(w, counts_name, 0, 2, counts, (size_t)n_counts * sizeof(float));
    cn_gguf_writer_data(w, data, sizeof data);
    cn_gguf_writer_data(w, data, (size_t)n_counts * sizeof(float));
    return w;
}

static void imatrix_needs_counts(void **state)
{
    struct cn_gguf_writer *w;
    (void)state;
    expect_metadata(imatrix("blk.0.attn_q.weight.counts", 2), CN_OK, "");
    expect_metadata(imatrix("blk.0.attn_q.weight.counts", 1), CN_ERR_FORMAT, "counts [1, 2]");
    expect_metadata(imatrix("blk.0.attn_k.weight.counts", 2), CN_ERR_FORMAT,
                    "tensor \"blk.0.attn_q.weight.in_sum2\"");
    w = create();
    cn_gguf_writer_str(w, "general.type", "imatrix");
    expect_metadata(w, CN_ERR_FORMAT, "without a single tensor");
    w = create(); /* other kinds are not asked for a model's keys */
    cn_gguf_writer_str(w, "general.type", "adapter");
    expect_metadata(w, CN_OK, "");
}

/* ---- data --------------------------------------------------------------------------------- */

static void expect_data(uint32_t type, int64_t cols, int64_t rows, const void *data, size_t n_bytes,
                        const char *words)
{
    const int64_t ne[2] = { cols, rows };
    struct cn_gguf g;
    struct cn_error err = { "" };
    struct cn_gguf_writer *w = create();
    cn_gguf_writer_tensor(w, "t", type, 2, ne, n_bytes);
    cn_gguf_writer_data(w, data, n_bytes);
    reopen(w, &g);
    enum cn_status status = cn_gguf_check_data(&g, &g.tensors[0], &err);
    cn_gguf_close(&g);
    if ((status == CN_OK) != (*words == 0) || !strstr(err.text, words))
        fail_msg("\"%s\" expected in the message \"%s\"", words, err.text);
}

/* Every element is looked at: the fault may be in any of them, also past the first step. */
static void elements_have_to_be_finite(void **state)
{
    enum { COLS = 100, ROWS = 90 };
    static float x[ROWS * COLS];
    static double y[ROWS * COLS];
    static const int at[] = { 0, 1, 4095, 4096, 8191, 8192, ROWS * COLS - 1 };
    uint8_t q8_0[4 * 34] = { 0 };
    uint16_t infinite = 0x7c00;
    (void)state;
    expect_data(0, COLS, ROWS, x, sizeof x, "");
    expect_data(28, COLS, ROWS, y, sizeof y, "");
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        char words[64];
        snprintf(words, sizeof words, "row %d, column %d: NaN found", at[i] / COLS, at[i] % COLS);
        x[at[i]] = NAN;
        expect_data(0, COLS, ROWS, x, sizeof x, words);
        x[at[i]] = 0;
        y[at[i]] = -HUGE_VAL;
        snprintf(words, sizeof words, "row %d, column %d:", at[i] / COLS, at[i] % COLS);
        expect_data(28, COLS, ROWS, y, sizeof y, words);
        y[at[i]] = 1e300; /* beyond float, but finite */
        expect_data(28, COLS, ROWS, y, sizeof y, "");
    }
    /* An infinite scale shows even where all codes are 0. */
    expect_data(8, 64, 2, q8_0, sizeof q8_0, "");
    memcpy(q8_0 + 3 * 34, &infinite, 2);
    expect_data(8, 64, 2, q8_0, sizeof q8_0, "tensor \"t\" (Q8_0): row 1, column 32: NaN found");
    /* Integers are whatever they are. */
    memset(q8_0, 0xff, sizeof q8_0);
    expect_data(26, 34, 1, q8_0, sizeof q8_0, "");
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/out.gguf", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_have_to_divide),       cmocka_unit_test(vocabulary_has_to_fit),
        cmocka_unit_test(blocks_have_to_be_there),    cmocka_unit_test(imatrix_needs_counts),
        cmocka_unit_test(elements_have_to_be_finite),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

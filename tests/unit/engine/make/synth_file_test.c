/* SPDX-License-Identifier: MIT */
#include "engine/tools.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/gguf.h"
#include "engine/text/tokenizer.h"

static char dir[64], out[96];
static struct cn_error err;

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/synth_test_XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(out, sizeof out, "%s/out.gguf", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(out);
    return rmdir(dir); /* fails if anything else was left behind */
}

/* The numbers of weights that the models' makers state, exactly or rounded (then without what the
 * models see and hear with). The files hold a little more: tables of frequency factors. */
static void test_true_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        int64_t n_params, n_factors;
        double off; /* share by which it may differ */
    } known[] = {
  /* clang-format off */
        { "smollm2-135m",      134515008,   0, 0 },
        { "qwen2-0.5b",        494032768,   0, 0 },
        { "qwen2.5-1.5b",      1543714304,  0, 0 },
        { "qwen2.5-3b",        3085938688,  0, 0 },
        { "qwen2.5-7b",        7615616512,  0, 0 },
        { "qwen3-0.6b",        596049920,   0, 0 },
        { "qwen3-30b-a3b",     30532122624, 0, 0 },
        { "llama-3.2-1b",      1235814400,  32, 0 },
        { "llama-3.1-8b",      8030261248,  64, 0 },
        { "mixtral-8x7b",      46702792704, 0, 0 },
        { "olmoe-1b-7b",       6919161856,  0, 0 },
        { "gemma-2-2b",        2614341888,  0, 0 },
        { "gemma-2-9b",        9241705984,  0, 0 },
        { "phi-2",             2779683840,  0, 0 },
        { "phi-3.5-mini",      3821079552,  2 * 48, 0 },
        { "granite-3-2b",      2533531648,  0, 0 },
        { "gpt-oss-20b",       20914757184, 0, 0 },
        { "smollm3-3b",        3075098624,  0, 0 },
        { "phi-3.5-moe",       41873153344, 2 * 64, 0 },
        { "command-r7b",       8028033024,  0, 0 },
        { "exaone-4-1.2b",     1279391488,  32, 0 },
        { "deepseek-v2-lite",  15706484224, 0, 0 },
        { "glm-4.7-flash",     30000000000, 0, 0.02 },
        { "lfm2-350m",         354483968,   0, 0 },
        { "lfm2-1.2b",         1170340608,  0, 0 },
        { "lfm2-2.6b",         2569272320,  0, 0.001 },
        { "lfm2-8b-a1b",       8338000000,  0, 0.01 },
        { "granite-4-h-350m",  340000000,   0, 0.02 },
        { "granite-4-h-micro", 3190000000,  0, 0.02 },
        { "granite-4-h-tiny",  6940000000,  0, 0.02 },
        { "falcon-h1-0.5b",    521411104,   0, 0.001 },
        { "falcon-h1-1.5b",    1550000000,  0, 0.05 },
        { "nemotron-nano-9b-v2", 8890000000, 0, 0.02 },
        { "nemotron-3-nano-30b-a3b", 31600000000, 0, 0.02 },
        { "mamba2-1.3b",       1344000000,  0, 0.02 },
        { "ernie-4.5-0.3b",    360000000,   0, 0.02 },
        { "ernie-4.5-21b-a3b", 21800000000, 0, 0.02 },
        { "hunyuan-1.8b",      1800000000,  0, 0.02 },
        { "ministral-3-3b",    3400000000,  0, 0.02 },
        { "ministral-3-8b",    8400000000,  0, 0.02 },
        /* Less keys and values that no layer reads. */
        { "gemma-3n-e2b",      4460000000,  0, 0.02 },
        { "gemma-3n-e4b",      6870000000,  0, 0.02 },
        { "gemma-4-e2b",       4650000000,  0, 0.02 },
        { "gemma-4-e4b",       7500000000,  0, 0.02 },
        { "gemma-4-26b-a4b",   25200000000, 0, 0.02 },
        /* Named by their numbers, roundly; less what drafts. */
        { "qwen3.5-0.8b",      800000000,   0, 0.07 },
        { "qwen3.5-2b",        2000000000,  0, 0.07 },
        { "qwen3.5-4b",        4000000000,  0, 0.07 },
        { "qwen3.5-9b",        9000000000,  0, 0.02 },
        { "qwen3.5-35b-a3b",   35000000000, 0, 0.02 },
  /* clang-format on */
    };
    int n = sizeof known / sizeof *known;
    for (int i = 0; i < n; i++) {
        struct cn_synth_options o = { .shape = known[i].shape, .type = "F16", .dry_run = true };
        struct cn_file_result r;
        assert_int_equal(cn_synth_file(NULL, &o, &r, &err), CN_OK);
        const double expected = (double)(known[i].n_params + known[i].n_factors);
        if (fabs((double)r.n_params - expected) > known[i].off * expected)
            fail_msg("%s: %lld parameters, expected %.0f", known[i].shape, (long long)r.n_params,
                     expected);
    }
    /* Every shape is in the list above. */
    for (int i = 0; i < n; i++)
        assert_non_null(cn_synth_shape_name(i));
    assert_null(cn_synth_shape_name(n));
    assert_null(cn_synth_shape_name(-1));
}

/* Every shape, cut to as few layers as still have one of each kind, loads and runs. */
static void test_all_run(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        int n_layers;
    } cut[] = {
        {"gpt-oss-20b",       1},
        { "gemma-4-e2b",      2},
        { "smollm3-3b",       1},
        { "deepseek-v2-lite", 2},
        { "exaone-4-1.2b",    1},
        { "ernie-4.5-0.3b",   1},
        { "hunyuan-1.8b",     1},
        { "qwen3.5-0.8b",     4},
    };
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct cn_synth_options o = { .shape = cut[i].shape,
                                      .type = "Q4_0",
                                      .n_layers = cut[i].n_layers };
        struct cn_model *model = NULL;
        struct cn_session *session = NULL;
        const struct cn_session_options small = { .n_ctx = 16, .n_batch = 8, .n_threads = 2 };
        const int32_t tokens[6] = { 5, 6, 7, 8, 9, 10 };
        if (cn_synth_file(out, &o, NULL, &err) != CN_OK ||
            cn_model_open(out, NULL, &model, &err) != CN_OK ||
            cn_session_create(model, &small, &session, &err) != CN_OK ||
            cn_session_eval(session, tokens, 6, CN_WANT_LAST, &err) != CN_OK ||
            cn_session_eval(session, tokens, 1, CN_WANT_LAST, &err) != CN_OK)
            fail_msg("%s: %s", cut[i].shape, err.text);
        const int32_t n_vocab = cn_model_get_info(model)->n_vocab;
        assert_true(cn_all_finite(cn_session_logits(session, 0), n_vocab));
        cn_session_free(session);
        cn_model_close(model);
    }
}

/* Bytes of weights, in units of 10^6, of files that the field's tools made of the true models. */
static void test_true_file_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *type;
        int mb;
    } known[] = {
        {"llama-3.2-1b",  "Q8_0",    1313},
        { "llama-3.2-1b", "Q6_K",    1014},
        { "llama-3.2-1b", "Q5_K_M",  904 },
        { "llama-3.2-1b", "Q4_K_M",  800 },
        { "llama-3.2-1b", "Q4_0",    763 },
        { "llama-3.2-1b", "Q3_K_M",  683 },
        { "llama-3.2-1b", "Q2_K",    573 },
        { "llama-3.2-1b", "IQ4_NL",  765 },
        { "llama-3.2-1b", "IQ4_XS",  735 },
        { "llama-3.2-1b", "IQ3_S",   636 },
        { "llama-3.2-1b", "IQ3_XXS", 554 },
        { "llama-3.2-1b", "IQ2_S",   481 },
        { "llama-3.2-1b", "IQ2_XS",  468 },
        { "llama-3.2-1b", "IQ2_XXS", 439 },
        { "llama-3.2-1b", "IQ1_M",   406 },
        { "llama-3.2-1b", "IQ1_S",   386 },
        { "qwen2-0.5b",   "Q8_0",    525 },
        { "qwen2-0.5b",   "Q4_K_M",  392 },
        { "qwen2-0.5b",   "Q4_0",    346 },
        { "qwen2-0.5b",   "IQ4_XS",  343 },
        { "qwen2-0.5b",   "IQ2_XXS", 316 },
        { "qwen2.5-3b",   "Q4_K_M",  1924},
    };
    int n_checked = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct cn_synth_options o = { .shape = known[i].shape,
                                      .type = known[i].type,
                                      .dry_run = true };
        struct cn_file_result r;
        enum cn_status status = cn_synth_file(NULL, &o, &r, &err);
        if (status == CN_ERR_UNSUPPORTED)
            continue;
        assert_int_equal(status, CN_OK);
        n_checked++;
        if (fabs((double)r.tensor_bytes / 1e6 - known[i].mb) > 0.6)
            fail_msg("%s %s: %.1f MB, expected %d", known[i].shape, known[i].type,
                     (double)r.tensor_bytes / 1e6, known[i].mb);
    }
    assert_true(n_checked >= 3);
}

static void make(const char *type, uint64_t seed, struct cn_gguf *g)
{
    struct cn_synth_options o = {
        .shape = "smollm2-135m", .type = type, .n_layers = 2, .seed = seed
    };
    if (cn_synth_file(out, &o, NULL, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_gguf_open(out, g, &err), CN_OK);
}

/* Finite numbers of mean 0 and about the right size, in every format that the mix uses. */
static void check_numbers(const struct cn_gguf_tensor *t)
{
    int64_t n_cols = t->ne[0], n_rows = t->n_elems / n_cols;
    float *row = malloc((size_t)n_cols * sizeof *row);
    double sum = 0, squares = 0, n = 0;
    assert_non_null(row);
    for (int64_t r = 0; r<n_rows; r += n_rows> 200 ? n_rows / 200 : 1) {
        t->format->ref->dequantize(
            n_cols, (const uint8_t *)t->data + (size_t)r * cn_row_bytes(t->format, n_cols), row);
        for (int64_t c = 0; c < n_cols; c++, n++) {
            sum += (double)row[c];
            squares += (double)row[c] * (double)row[c];
        }
    }
    free(row);
    double sd = sqrt(squares / n), want = t->n_dims == 1 ? 1 : 1 / sqrt((double)n_cols);
    if (!(sd > 0.75 * want && sd < 1.3 * want))
        fail_msg("%.*s: standard deviation %g, expected about %g", (int)t->name.n, t->name.p, sd,
                 want);
    if (t->n_dims > 1)
        assert_true(fabs(sum / n) < 0.1 * want);
}

static void test_numbers(void **state)
{
    (void)state;
    /* Between them nearly every format; the ternary ones turn a gaussian into something wider. */
    static const char *const types[] = { "F16", "Q8_0", "Q4_K_M", "IQ3_XXS", "IQ1_S", "MXFP4" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct cn_gguf g;
        if (!cn_format_by_gguf(cn_file_type_by_name(types[i])->base))
            continue;
        make(types[i], 1, &g);
        for (int64_t t = 0; t < g.n_tensors; t++)
            check_numbers(&g.tensors[t]);
        cn_gguf_close(&g);
    }
}

static void test_seeds(void **state)
{
    (void)state;
    struct cn_gguf g[3];
    for (int i = 0; i < 3; i++) {
        make("Q4_0", i == 2 ? 2 : 1, &g[i]);
        unlink(out);
    }
    const char *name = "blk.0.attn_q.weight";
    const struct cn_gguf_tensor *a = cn_gguf_tensor(&g[0], name), *b = cn_gguf_tensor(&g[1], name);
    const struct cn_gguf_tensor *c = cn_gguf_tensor(&g[2], name);
    const struct cn_gguf_tensor *other = cn_gguf_tensor(&g[0], "blk.1.attn_q.weight");
    assert_memory_equal(a->data, b->data, a->bytes);
    assert_memory_not_equal(a->data, c->data, a->bytes);
    assert_memory_not_equal(a->data, other->data, a->bytes);
    for (int i = 0; i < 3; i++)
        cn_gguf_close(&g[i]);
}

/* Any text goes in and comes out; special tokens are where the true vocabulary has them. */
static void test_vocabulary(void **state)
{
    (void)state;
    struct cn_gguf g;
    struct cn_tokenizer *t;
    make("Q4_0", 1, &g);
    if (cn_tokenizer_load(&g, &t, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_tokenizer_n_vocab(t), 49152);
    assert_int_equal(cn_tokenizer_bos(t), 1);
    assert_int_equal(cn_tokenizer_eos(t), 2);
    assert_int_equal(cn_tokenizer_find(t, "<|im_end|>", 10), 2);
    assert_true(cn_tokenizer_is_end(t, 2));
    assert_true(cn_tokenizer_is_control(t, 0));
    char text[256], back[256];
    size_t n_text = 0, n_back = 0, n_tokens;
    int32_t *tokens;
    for (int byte = 1; byte < 256; byte++)
        text[n_text++] = (char)byte;
    assert_int_equal(cn_tokenizer_encode(t, text, n_text, 0, &tokens, &n_tokens, &err), CN_OK);
    assert_int_equal(n_tokens, n_text);
    for (size_t i = 0; i < n_tokens; i++) {
        size_t n;
        const char *bytes = cn_tokenizer_bytes(t, tokens[i], false, &n);
        assert_true(n_back + n <= sizeof back);
        memcpy(back + n_back, bytes, n);
        n_back += n;
    }
    assert_int_equal(n_back, n_text);
    assert_memory_equal(back, text, n_text);
    free(tokens);
    cn_tokenizer_free(t);
    cn_gguf_close(&g);
}

/* The model runs, and its logits are about those of a trained one in size. */
static void test_runs(void **state)
{
    (void)state;
    struct cn_gguf g;
    struct cn_model *model;
    struct cn_session *session;
    make("Q4_K_M", 1, &g);
    cn_gguf_close(&g);
    if (cn_model_open(out, NULL, &model, &err) != CN_OK)
        fail_msg("%s", err.text);
    struct cn_session_options o = { .n_ctx = 16, .n_threads = 1 };
    if (cn_session_create(model, &o, &session, &err) != CN_OK)
        fail_msg("%s", err.text);
    static const int32_t tokens[4] = { 1, 300, 40000, 77 };
    assert_int_equal(cn_session_eval(session, tokens, 4, CN_WANT_LAST, &err), CN_OK);
    const float *logits = cn_session_logits(session, 0);
    int32_t n = cn_model_get_info(model)->n_vocab;
    double squares = 0;
    for (int32_t i = 0; i < n; i++)
        squares += (double)logits[i] * (double)logits[i];
    double sd = sqrt(squares / n);
    assert_true(sd > 0.3 && sd < 3);
    cn_session_free(session);
    cn_model_close(model);
}

static bool cancel(void *user)
{
    int *left = user;
    return (*left)-- <= 0;
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *type;
        int n_layers;
        const char *says;
    } bad[] = {
        {"llama-9",       "Q4_0", 0,  "llama-3.2-1b" }, /* lists what there is */
        { "smollm2-135m", "Q9",   0,  "'Q9'"         },
        { "smollm2-135m", "Q4_0", 31, "has 30 layers"},
        { "smollm2-135m", "Q4_0", -1, "has 30 layers"},
    };
    unlink(out);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cn_synth_options o = { .shape = bad[i].shape,
                                      .type = bad[i].type,
                                      .n_layers = bad[i].n_layers };
        assert_int_not_equal(cn_synth_file(out, &o, NULL, &err), CN_OK);
        if (!strstr(err.text, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].says);
    }
    int left = 5;
    struct cn_synth_options o = {
        .shape = "smollm2-135m", .type = "Q4_0", .cancel = cancel, .user = &left
    };
    assert_int_equal(cn_synth_file(out, &o, NULL, &err), CN_ERR_CANCELLED);
    assert_int_equal(access(out, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_true_sizes),
        cmocka_unit_test(test_all_run),
        cmocka_unit_test(test_true_file_sizes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_vocabulary),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

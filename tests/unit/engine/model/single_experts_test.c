/* SPDX-License-Identifier: MIT
 *
 * Old files of mixtures hold each expert as a tensor of its own: the same model, without a copy of
 * the weights, whatever formats the experts have.
 */
#include "engine/model/model.h"
#include "engine/model/override.h"
#include "engine/tools.h"
#include "tests/arch_fixture.h"

#include <math.h>

#define FUSED "tests/fixtures/arch/llama-moe.gguf"

enum { N_EXPERT = 4, N_LAYER = 2, N = 40 };

static char dir[] = "/tmp/cn-experts-XXXXXX";
static char single[64], mixed[64], damaged[64];

static struct cn_error err;

/* The parts of an expert in the order of the files that converters wrote then. */
static const char *const parts[] = { "gate", "down", "up" };
enum { N_PARTS = sizeof parts / sizeof *parts };

static bool is_of_experts(const struct cn_gguf_tensor *t)
{
    return memmem(t->name.p, t->name.n, "_exps.", 6) != NULL;
}

static const struct cn_gguf_tensor *fused_tensor(const struct cn_gguf *in, int layer,
                                                 const char *part)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.ffn_%s_exps.weight", layer, part);
    const struct cn_gguf_tensor *t = cn_gguf_tensor(in, name);
    assert_non_null(t);
    return t;
}

/* A copy of the fused model with single experts; the tensor called `missing` is left out, the one
 * called `flat` has one row of all its elements. */
static void write_single(const char *path, const char *missing, const char *flat)
{
    struct cn_gguf in;
    struct cn_gguf_writer *w;
    assert_int_equal(cn_gguf_open(FUSED, &in, &err), CN_OK);
    assert_int_equal(cn_gguf_writer_create(path, &w, &err), CN_OK);
    for (int64_t i = 0; i < in.n_kv; i++)
        cn_gguf_writer_raw(w, &in.kv[i]);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < in.n_tensors; i++) {
            const struct cn_gguf_tensor *t = &in.tensors[i];
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)t->name.n, t->name.p);
            if (is_of_experts(t))
                continue;
            if (pass == 0)
                cn_gguf_writer_tensor(w, name, t->gguf_type, t->n_dims, t->ne, t->bytes);
            else
                cn_gguf_writer_data(w, t->data, t->bytes);
        }
        for (int i = 0; i < N_LAYER * N_EXPERT * N_PARTS; i++) {
            const int layer = i / (N_EXPERT * N_PARTS), e = i / N_PARTS % N_EXPERT;
            const char *part = parts[i % N_PARTS];
            const struct cn_gguf_tensor *t = fused_tensor(&in, layer, part);
            const size_t bytes = t->bytes / N_EXPERT;
            const int64_t row[2] = { t->ne[0] * t->ne[1], 1 };
            char name[64];
            snprintf(name, sizeof name, "blk.%d.ffn_%s.%d.weight", layer, part, e);
            if (missing && strcmp(name, missing) == 0)
                continue;
            if (pass == 0)
                cn_gguf_writer_tensor(w, name, t->gguf_type, 2,
                                      flat && strcmp(name, flat) == 0 ? row : t->ne, bytes);
            else
                cn_gguf_writer_data(w, (const char *)t->data + (size_t)e * bytes, bytes);
        }
    }
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    cn_gguf_close(&in);
}

static int32_t tokens[N];

/* The logits of N tokens, malloc'ed. */
static float *logits_of(const struct cn_model *model, int32_t batch)
{
    const struct fixture f = {
        .model = "", .n_tokens = N, .n_vocab = cn_model_get_info(model)->n_vocab, .tokens = tokens
    };
    return fixture_logits(model, &f, CN_KV_F32, batch, 2);
}

static size_t logits_bytes(const struct cn_model *model)
{
    return (size_t)N * (size_t)cn_model_get_info(model)->n_vocab * sizeof(float);
}

static void same_model(void **state)
{
    static const int32_t batches[] = { 1, 7, N };
    (void)state;
    struct cn_model *one = fixture_open(FUSED, NULL), *other = fixture_open(single, NULL);
    const struct cn_model_info *a = cn_model_get_info(one), *b = cn_model_get_info(other);
    assert_int_equal(a->n_params, b->n_params);
    assert_int_equal(a->n_active_params, b->n_active_params);
    assert_true(a->n_active_params < a->n_params);
    assert_int_equal(a->decode_bytes, b->decode_bytes);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        float *x = logits_of(one, batches[i]), *y = logits_of(other, batches[i]);
        assert_memory_equal(x, y, logits_bytes(one));
        free(x);
        free(y);
    }
    /* Nothing was copied: the weights lie in the file. */
    const struct cn_weight *w = &other->layers[1].down_exps;
    assert_ptr_equal(w->each[3].data,
                     cn_gguf_tensor(&other->gguf, "blk.1.ffn_down.3.weight")->data);
    cn_model_close(one);
    cn_model_close(other);
}

/* Experts of one layer in formats of their own, as `quantize --tensor-type` may give them. */
static void formats_of_their_own(void **state)
{
    static const char *const rules[] = { "ffn_down\\.[01]\\.=f32", "ffn_gate\\.2\\.=q8_0",
                                         ".=f16" };
    const struct cn_quantize_options o = { .type = "F16",
                                           .tensor_types = rules,
                                           .n_tensor_types = 3 };
    (void)state;
    if (cn_quantize_file(single, mixed, &o, NULL, &err) != CN_OK)
        fail_msg("%s", err.text);
    struct cn_model *one = fixture_open(single, NULL), *other = fixture_open(mixed, NULL);
    const struct cn_layer *layer = &other->layers[1];
    assert_string_equal(layer->down_exps.each[1].format->name, "f32");
    assert_string_equal(layer->down_exps.each[2].format->name, "f16");
    assert_string_equal(layer->gate_exps.each[2].format->name, "q8_0");
    const size_t bytes = logits_bytes(one);
    float *x = logits_of(one, 7), *y = logits_of(other, 7);
    double most = 0;
    for (size_t i = 0; i < bytes / sizeof *x; i++)
        most = fmax(most, fabs((double)x[i] - (double)y[i]));
    if (!(most > 0 && most < 0.5))
        fail_msg("off by %g", most);
    /* Each has a name of its own to those who change single matrices. */
    struct cn_gguf *g = &other->gguf;
    const struct cn_gguf_tensor *t = cn_gguf_tensor(g, "blk.0.ffn_gate.2.weight");
    assert_true(cn_model_override(one, "blk.0.ffn_gate.2.weight", t->format, t->data));
    free(y);
    y = logits_of(one, 7);
    assert_memory_not_equal(x, y, bytes);
    assert_true(cn_model_override(one, "blk.0.ffn_gate.2.weight", NULL, NULL));
    free(y);
    y = logits_of(one, 7);
    assert_memory_equal(x, y, bytes);
    assert_false(cn_model_override(one, "blk.0.ffn_gate.4.weight", NULL, NULL));
    free(x);
    free(y);
    cn_model_close(one);
    cn_model_close(other);
}

/* Importance is summed for each: as many entries more as there are tensors more. */
static void importance(void **state)
{
    static const char *const files[] = { FUSED, single };
    struct cn_imatrix_result results[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct cn_model *model = fixture_open(files[i], NULL);
        const struct cn_imatrix_options o = {
            .out = damaged, .dataset = "text", .n_ctx = N, .n_threads = 1
        };
        if (cn_imatrix_make(model, tokens, N, &o, &results[i], &err) != CN_OK)
            fail_msg("%s", err.text);
        cn_model_close(model);
    }
    assert_int_equal(results[1].n_matrices, results[0].n_matrices);
    assert_int_equal(results[1].n_entries,
                     results[0].n_entries + N_LAYER * N_PARTS * (N_EXPERT - 1));
}

static void expect_refused(const char *words)
{
    struct cn_model *model = NULL;
    const enum cn_status status = cn_model_open(damaged, NULL, &model, &err);
    if (status != CN_ERR_FORMAT || !strstr(err.text, words) || strchr(err.text, '\n'))
        fail_msg("\"%s\" expected in the message \"%s\"", words, err.text);
}

static void damaged_files(void **state)
{
    (void)state;
    write_single(damaged, "blk.1.ffn_up.3.weight", NULL);
    expect_refused("tensor blk.1.ffn_up.3.weight is missing: llama needs it, shape [128, 96, 1]");
    write_single(damaged, NULL, "blk.0.ffn_gate.1.weight");
    expect_refused("tensor blk.0.ffn_gate.1.weight: shape [128, 96, 1] expected, [12288, 1, 1, 1]");
    write_single(damaged, "blk.0.ffn_down.0.weight", NULL);
    expect_refused("tensor blk.0.ffn_down_exps.weight is missing");
}

static int make_files(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return 1;
    snprintf(single, sizeof single, "%s/single.gguf", dir);
    snprintf(mixed, sizeof mixed, "%s/mixed.gguf", dir);
    snprintf(damaged, sizeof damaged, "%s/damaged.gguf", dir);
    for (int i = 0; i < N; i++)
        tokens[i] = 1 + i * 7 % 200;
    write_single(single, NULL, NULL);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(single);
    unlink(mixed);
    unlink(damaged);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_model),
        cmocka_unit_test(formats_of_their_own),
        cmocka_unit_test(importance),
        cmocka_unit_test(damaged_files),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}

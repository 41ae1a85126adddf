/* SPDX-License-Identifier: MIT
 *
 * Files into other file types: a small model made here, so that every value of the result is known.
 */
#include "engine/tools.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/gguf.h"
#include "engine/make/imatrix_file.h"

/* Row lengths and, as some quantisers are slow, few rows. */
enum { D = 256, F = 512, ROWS = 16, V = 24, N_LAYER = 8, N_EXPERT = 4 };

static char dir[64], in[96], out[96], weights[96];
static struct cn_error err;

/* Deterministic, about gaussian. */
static float noise(uint32_t *state)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        *state = *state * 1664525u + 1013904223u;
        sum += (float)(*state >> 8) / (float)(1 << 24) - 0.5f;
    }
    return sum * 0.05f;
}

struct spec {
    char name[48];
    int n_dims;
    int64_t ne[3];
};

static struct spec specs[N_LAYER * 8 + 5];
static size_t n_specs;

static void spec(int n_dims, int64_t ne0, int64_t ne1, int64_t ne2, int layer, const char *name)
{
    struct spec *s = &specs[n_specs++];
    *s = (struct spec){
        .n_dims = n_dims, .ne = {ne0, ne1, ne2}
    };
    if (layer < 0)
        snprintf(s->name, sizeof s->name, "%s", name);
    else
        snprintf(s->name, sizeof s->name, "blk.%d.%s", layer, name);
}

static void list_specs(void)
{
    n_specs = 0;
    spec(2, D, V, 1, -1, "token_embd.weight");
    for (int i = 0; i < N_LAYER; i++) {
        spec(1, D, 1, 1, i, "attn_norm.weight");
        spec(2, D, ROWS, 1, i, "attn_q.weight");
        spec(2, D, ROWS, 1, i, "attn_v.weight");
        spec(2, D, ROWS, 1, i, "attn_output.weight");
        spec(2, D, N_EXPERT, 1, i, "ffn_gate_inp.weight");
        spec(3, D, ROWS, N_EXPERT, i, "ffn_up_exps.weight");
        spec(3, F, ROWS, N_EXPERT, i, "ffn_down_exps.weight");
    }
    spec(1, N_EXPERT, 1, 1, 3, "ffn_up_exps.scale"); /* factors of the experts */
    spec(1, 1, 1, 1, 3, "attn_q.input_scale");
    spec(1, D, 1, 1, -1, "output_norm.weight");
    spec(2, D, V, 1, -1, "output.weight");
}

/* The model in F32; `bad` replaces one weight of the last expert of blk.3.ffn_up_exps. */
static void make_model(float bad)
{
    struct cn_gguf_writer *w;
    list_specs();
    assert_int_equal(cn_gguf_writer_create(in, &w, &err), CN_OK);
    cn_gguf_writer_str(w, "general.architecture", "olmoe");
    cn_gguf_writer_str(w, "test.text", "kept as it is");
    cn_gguf_writer_u32(w, "general.file_type", 0);
    cn_gguf_writer_u32(w, "olmoe.block_count", N_LAYER);
    cn_gguf_writer_u32(w, "olmoe.attention.head_count", 4);
    cn_gguf_writer_u32(w, "olmoe.expert_count", N_EXPERT);
    uint32_t kv[N_LAYER];
    for (int i = 0; i < N_LAYER; i++)
        kv[i] = 4;
    cn_gguf_writer_array(w, "olmoe.attention.head_count_kv", CN_GGUF_U32, N_LAYER, kv, sizeof kv);
    for (size_t i = 0; i < n_specs; i++)
        cn_gguf_writer_tensor(w, specs[i].name, 0, specs[i].n_dims, specs[i].ne,
                              (size_t)(specs[i].ne[0] * specs[i].ne[1] * specs[i].ne[2]) * 4);
    uint32_t state = 1;
    for (size_t i = 0; i < n_specs; i++) {
        int64_t n = specs[i].ne[0] * specs[i].ne[1] * specs[i].ne[2];
        bool here = strcmp(specs[i].name, "blk.3.ffn_up_exps.weight") == 0;
        for (int64_t k = 0; k < n; k++) {
            float x = here && k == n - 5 && bad != 0 ? bad : noise(&state);
            cn_gguf_writer_data(w, &x, sizeof x);
        }
    }
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
}

/* Importance for every matrix of the layers; scale tells experts apart. */
static void make_imatrix(int64_t n_cols_of_q)
{
    struct cn_imatrix im = { .n_chunks = 9, .chunk_size = 512 };
    uint32_t state = 7;
    for (size_t i = 0; i < n_specs; i++) {
        if (strncmp(specs[i].name, "blk.", 4) != 0 || specs[i].n_dims < 2)
            continue;
        bool q = strstr(specs[i].name, "attn_q.") != NULL;
        int64_t n_cols = q ? n_cols_of_q : specs[i].ne[0], n_mat = specs[i].ne[2];
        struct cn_imatrix_entry *e = cn_imatrix_add(&im, specs[i].name, n_cols, n_mat);
        assert_non_null(e);
        for (int64_t m = 0; m < n_mat; m++) {
            e->count[m] = 10;
            for (int64_t c = 0; c < n_cols; c++)
                e->sum2[m * n_cols + c] = 10 * exp(20 * (double)noise(&state));
        }
    }
    assert_true(cn_imatrix_add_dataset(&im, "calibration.txt"));
    assert_int_equal(cn_imatrix_write(weights, &im, &err), CN_OK);
    cn_imatrix_free(&im);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/quantize_test_XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(in, sizeof in, "%s/in.gguf", dir);
    snprintf(out, sizeof out, "%s/out.gguf", dir);
    snprintf(weights, sizeof weights, "%s/imatrix.gguf", dir);
    make_model(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(in);
    unlink(out);
    unlink(weights);
    return rmdir(dir); /* fails if anything else was left behind */
}

static const struct cn_gguf_tensor *tensor(const struct cn_gguf *g, const char *name)
{
    const struct cn_gguf_tensor *t = cn_gguf_tensor(g, name);
    if (!t)
        fail_msg("no tensor %s", name);
    return t;
}

static enum cn_status quantize(const struct cn_quantize_options *o)
{
    err.text[0] = 0;
    return cn_quantize_file(in, out, o, NULL, &err);
}

/* Relative root mean square error of a tensor of `g` against the source. */
static double error_of(const struct cn_gguf *source, const struct cn_gguf *g, const char *name)
{
    const struct cn_gguf_tensor *a = tensor(source, name), *b = tensor(g, name);
    float row[F];
    double diff = 0, size = 0;
    assert_int_equal(a->n_elems, b->n_elems);
    for (int64_t r = 0; r < a->n_elems / a->ne[0]; r++) {
        const float *x = (const float *)a->data + r * a->ne[0];
        b->format->ref->dequantize(
            b->ne[0], (const uint8_t *)b->data + (size_t)r * cn_row_bytes(b->format, b->ne[0]),
            row);
        for (int64_t c = 0; c < a->ne[0]; c++) {
            diff += pow((double)(x[c] - row[c]), 2);
            size += pow((double)x[c], 2);
        }
    }
    return sqrt(diff / size);
}

/* Every file type that is built in: the file says so, its tensors are what was planned, and near
 * enough to the source for their bits. */
static void test_every_file_type(void **state)
{
    (void)state;
    struct cn_gguf source, g;
    make_imatrix(D);
    assert_int_equal(cn_gguf_open(in, &source, &err), CN_OK);
    int n_built_in = 0;
    const struct cn_file_type *ft;
    for (int i = 0; (ft = cn_file_type_at(i)) != NULL; i++) {
        struct cn_quantize_options o = { .type = ft->name, .imatrix = weights, .n_threads = 2 };
        struct cn_file_result result;
        const struct cn_format *base = cn_format_by_gguf(ft->base);
        enum cn_status status = cn_quantize_file(in, out, &o, &result, &err);
        n_built_in++;
        if (status != CN_OK)
            fail_msg("%s: %s", ft->name, err.text);
        assert_string_equal(result.file_type, ft->name);
        assert_int_equal(cn_gguf_open(out, &g, &err), CN_OK);
        int64_t id = -1, version = -1;
        assert_int_equal(cn_gguf_need_i64(&g, "general.file_type", 0, UINT32_MAX, &id, &err),
                         CN_OK);
        assert_int_equal(id, ft->id);
        cn_gguf_need_i64(&g, "general.quantization_version", 0, 100, &version, &err);
        assert_int_equal(version, 2);
        struct cn_str text = { NULL, 0 };
        assert_int_equal(cn_gguf_get_str(&g, "test.text", &text, &err), CN_OK);
        assert_memory_equal(text.p, "kept as it is", 13);
        assert_int_equal(g.n_tensors, (int64_t)n_specs);
        size_t bytes = 0;
        for (int64_t t = 0; t < g.n_tensors; t++) {
            bytes += g.tensors[t].bytes;
            assert_memory_equal(g.tensors[t].name.p, specs[t].name, g.tensors[t].name.n);
        }
        assert_int_equal(bytes, result.tensor_bytes);
        /* IQ3_XS has others between, IQ3_KL at the ends. */
        const char *name = ft->id == 146 ? "blk.4.ffn_up_exps.weight" : "blk.7.ffn_up_exps.weight";
        if (ft->id != 38) /* MXFP4 goes by whether it is of experts, as this is */
            assert_int_equal(tensor(&g, name)->gguf_type, ft->base);
        assert_int_equal(tensor(&g, "blk.3.attn_norm.weight")->gguf_type, 0);
        assert_int_equal(tensor(&g, "blk.3.ffn_gate_inp.weight")->gguf_type, 0);
        assert_true(error_of(&source, &g, "blk.3.attn_norm.weight") == 0);
        assert_true(error_of(&source, &g, "blk.3.ffn_up_exps.scale") == 0);
        assert_true(error_of(&source, &g, "blk.3.attn_q.input_scale") == 0);
        /* A bit halves the error; room for the worst method; ternary formats keep little of a
         * gaussian. */
        double bits = 8.0 * base->block_bytes / base->block_elems;
        double bound = ft->base == 34 || ft->base == 35 ? 0.95 : 3 * pow(2, -bits);
        bound = bits >= 16 ? 0.003 : fmin(fmax(bound, 0.0065), 0.75);
        if (error_of(&source, &g, name) > bound)
            fail_msg("%s: error %g, expected at most %g", ft->name, error_of(&source, &g, name),
                     bound);
        cn_gguf_close(&g);
    }
    assert_true(n_built_in >= 3);
    cn_gguf_close(&source);
}

static uint64_t checksum(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint64_t h = 14695981039346656037u;
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;)
        h = (h ^ (uint64_t)c) * 1099511628211u;
    fclose(f);
    return h;
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    struct cn_quantize_options o = { .type = "Q8_0", .n_threads = 1 };
    assert_int_equal(quantize(&o), CN_OK);
    uint64_t one = checksum(out);
    for (int n = 2; n < 9; n += 3) {
        o.n_threads = n;
        assert_int_equal(quantize(&o), CN_OK);
        assert_true(checksum(out) == one);
    }
}

/* Importance changes the codes, reaches each expert's own slice, and is noted in the file. */
static void test_imatrix(void **state)
{
    (void)state;
    struct cn_gguf plain, weighted;
    char plain_path[96];
    make_imatrix(D);
    snprintf(plain_path, sizeof plain_path, "%s/plain.gguf", dir);
    struct cn_quantize_options o = { .type = "Q4_K_S" };
    assert_int_equal(cn_quantize_file(in, plain_path, &o, NULL, &err), CN_OK);
    o.imatrix = weights;
    assert_int_equal(quantize(&o), CN_OK);
    assert_int_equal(cn_gguf_open(plain_path, &plain, &err), CN_OK);
    assert_int_equal(cn_gguf_open(out, &weighted, &err), CN_OK);
    assert_null(cn_gguf_find(&plain, "quantize.imatrix.file"));
    struct cn_str s = { NULL, 0 };
    assert_int_equal(cn_gguf_get_str(&weighted, "quantize.imatrix.dataset", &s, &err), CN_OK);
    assert_memory_equal(s.p, "calibration.txt", 15);
    int64_t n = 0;
    cn_gguf_need_i64(&weighted, "quantize.imatrix.entries_count", 0, 1000, &n, &err);
    assert_int_equal(n, N_LAYER * 6);
    cn_gguf_need_i64(&weighted, "quantize.imatrix.chunks_count", 0, 1000, &n, &err);
    assert_int_equal(n, 9);

    /* The blocks of expert e are what the quantiser makes of them with e's slice. */
    const char *name = "blk.5.ffn_down_exps.weight";
    struct cn_gguf source;
    struct cn_imatrix im;
    assert_int_equal(cn_gguf_open(in, &source, &err), CN_OK);
    assert_int_equal(cn_imatrix_read(weights, &im, &err), CN_OK);
    static float mean[F * N_EXPERT];
    cn_imatrix_mean(cn_imatrix_find(&im, name), mean);
    const struct cn_gguf_tensor *a = tensor(&source, name), *b = tensor(&weighted, name);
    assert_int_equal(b->gguf_type, 12);
    for (int64_t r = 0; r < ROWS * N_EXPERT; r += 7) {
        uint8_t row[F / 256 * 144];
        b->format->ref->quantize(F, (const float *)a->data + r * F, mean + r / ROWS * F, row);
        assert_memory_equal(row, (const uint8_t *)b->data + (size_t)r * sizeof row, sizeof row);
    }
    assert_memory_not_equal(tensor(&plain, name)->data, b->data, b->bytes);
    assert_memory_equal(tensor(&plain, "output.weight")->data,
                        tensor(&weighted, "output.weight")->data,
                        tensor(&plain, "output.weight")->bytes);
    cn_imatrix_free(&im);
    cn_gguf_close(&source);
    cn_gguf_close(&plain);
    cn_gguf_close(&weighted);
    unlink(plain_path);

    /* Of another model. */
    make_imatrix(D / 2);
    assert_int_equal(quantize(&o), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "blk.0.attn_q.weight"));
    struct cn_imatrix other = { 0 };
    assert_non_null(cn_imatrix_add(&other, "blk.0.other.weight", 4, 1));
    assert_int_equal(cn_imatrix_write(weights, &other, &err), CN_OK);
    cn_imatrix_free(&other);
    assert_int_equal(quantize(&o), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "another model"));
}

static void test_need_of_an_imatrix(void **state)
{
    (void)state;
    struct cn_quantize_options o = { .type = "IQ2_XS", .dry_run = true };
    if (!cn_format_by_name("iq2_xs")) {
        print_message("SKIPPED: iq2_xs is not built in\n");
        skip();
    }
    assert_int_equal(quantize(&o), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "carnot imatrix -m "));
    assert_non_null(strstr(err.text, in));

    /* Of one format all through: the embedding and the output, for which there are no data, get the
     * nearest that goes without. */
    static const struct {
        const char *type, *there;
        uint32_t embedding, layers;
    } pure[] = {
        {"IQ2_XXS", "Q2_K",  10, 16},
        { "IQ2_XS", "Q2_K",  10, 17},
        { "IQ2_S",  "Q2_K",  10, 17},
        { "IQ2_M",  "Q2_K",  10, 22},
        { "IQ1_S",  "IQ1_M", 29, 19},
    };
    make_imatrix(D);
    for (size_t i = 0; i < sizeof pure / sizeof *pure; i++) {
        struct cn_file_result result;
        struct cn_gguf g;
        o = (struct cn_quantize_options){ .type = pure[i].type, .imatrix = weights, .pure = true };
        assert_int_equal(cn_quantize_file(in, out, &o, &result, &err), CN_OK);
        assert_int_equal(result.n_stand_ins, 2);
        assert_string_equal(result.stand_in, pure[i].there);
        assert_int_equal(cn_gguf_open(out, &g, &err), CN_OK);
        assert_int_equal(tensor(&g, "token_embd.weight")->gguf_type, pure[i].embedding);
        assert_int_equal(tensor(&g, "output.weight")->gguf_type, pure[i].embedding);
        assert_int_equal(tensor(&g, "blk.0.attn_q.weight")->gguf_type, pure[i].layers);
        cn_gguf_close(&g);
        o.imatrix = NULL;
        assert_int_equal(quantize(&o), CN_ERR_ARGUMENT);
    }
}

static int n_planned, n_converted;
static size_t planned_bytes;

static void count_plan(void *user, const struct cn_quantize_tensor *t)
{
    (void)user;
    n_planned++;
    n_converted += t->converted;
    planned_bytes += t->to_bytes;
}

static void test_choices(void **state)
{
    (void)state;
    struct cn_gguf g;
    const char *const types[] = { "ffn_(up|down)_exps=q8_0", "blk\\.[0-3]\\.attn_v=f16" };
    struct cn_quantize_options o = { .type = "Q4_0",
                                     .tensor_types = types,
                                     .n_tensor_types = 2,
                                     .output_type = "f32",
                                     .embedding_type = "Q8_0" };
    assert_int_equal(quantize(&o), CN_OK);
    assert_int_equal(cn_gguf_open(out, &g, &err), CN_OK);
    assert_int_equal(tensor(&g, "blk.2.ffn_down_exps.weight")->gguf_type, 8);
    assert_int_equal(tensor(&g, "blk.3.attn_v.weight")->gguf_type, 1);
    assert_int_equal(tensor(&g, "blk.4.attn_v.weight")->gguf_type, 2);
    assert_int_equal(tensor(&g, "output.weight")->gguf_type, 0);
    assert_int_equal(tensor(&g, "token_embd.weight")->gguf_type, 8);
    cn_gguf_close(&g);

    /* pure: the output too. */
    struct cn_quantize_options pure = { .type = "Q4_0", .pure = true };
    assert_int_equal(quantize(&pure), CN_OK);
    assert_int_equal(cn_gguf_open(out, &g, &err), CN_OK);
    assert_int_equal(tensor(&g, "output.weight")->gguf_type, 2);
    cn_gguf_close(&g);

    /* A dry run plans all of it and writes nothing. */
    unlink(out);
    struct cn_file_result result;
    pure.dry_run = true;
    pure.plan = count_plan;
    n_planned = n_converted = 0;
    planned_bytes = 0;
    assert_int_equal(cn_quantize_file(in, out, &pure, &result, &err), CN_OK);
    assert_int_equal(n_planned, n_specs);
    assert_int_equal(n_converted, 2 + N_LAYER * 5);
    assert_int_equal(planned_bytes, result.tensor_bytes);
    assert_int_equal(access(out, F_OK), -1);
    assert_true(fabs(result.bpw - 8 * (double)planned_bytes / (double)result.n_params) < 1e-9);

    static const struct {
        const char *rule, *says;
    } bad[] = {
        {"nosuch=q8_0", "matches no matrix" },
        { "attn=q9_9",  "tensor type 'q9_9'"},
        { "attn",       "RE=TYPE"           },
        { "=q8_0",      "RE=TYPE"           },
        { "(=q8_0",     "regular expression"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cn_quantize_options b = { .type = "Q8_0",
                                         .tensor_types = &bad[i].rule,
                                         .n_tensor_types = 1 };
        assert_int_not_equal(quantize(&b), CN_OK);
        if (!strstr(err.text, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i].says);
    }
    struct cn_quantize_options r4 = { .type = "IQ4_K_R4" };
    assert_int_equal(quantize(&r4), CN_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "IQ4_K_R4 interleaves rows of IQ4_K"));
    struct cn_quantize_options b = { .type = "auto" };
    assert_int_equal(quantize(&b), CN_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'auto'"));
    b.type = "Q8_0";
    b.output_type = "nosuch";
    assert_int_equal(quantize(&b), CN_ERR_UNSUPPORTED);
    assert_int_equal(access(out, F_OK), -1);
}

static void test_requantising(void **state)
{
    (void)state;
    char twice[96];
    struct cn_gguf g;
    snprintf(twice, sizeof twice, "%s/twice.gguf", dir);
    struct cn_quantize_options o = { .type = "Q8_0" };
    assert_int_equal(quantize(&o), CN_OK);
    /* The same type is a copy, which needs no permission. */
    assert_int_equal(cn_quantize_file(out, twice, &o, NULL, &err), CN_OK);
    assert_true(checksum(out) == checksum(twice));
    o.type = "Q4_0";
    assert_int_equal(cn_quantize_file(out, twice, &o, NULL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "already"));
    o.allow_requantize = true;
    assert_int_equal(cn_quantize_file(out, twice, &o, NULL, &err), CN_OK);
    assert_int_equal(cn_gguf_open(twice, &g, &err), CN_OK);
    assert_int_equal(tensor(&g, "blk.0.attn_q.weight")->gguf_type, 2);
    cn_gguf_close(&g);
    unlink(twice);
}

static bool cancel(void *user)
{
    int *left = user;
    return (*left)-- <= 0;
}

static double last_done, last_total;

static void progress(void *user, double done, double total)
{
    (void)user;
    assert_true(done >= last_done && done <= total);
    last_done = done;
    last_total = total;
}

static void test_nothing_half_done(void **state)
{
    (void)state;
    unlink(out);
    for (int calls = 0; calls < 40; calls += 13) {
        int left = calls;
        struct cn_quantize_options o = { .type = "Q8_0", .cancel = cancel, .user = &left };
        assert_int_equal(quantize(&o), CN_ERR_CANCELLED);
        assert_int_equal(access(out, F_OK), -1);
    }
    struct cn_quantize_options o = { .type = "Q8_0", .progress = progress };
    last_done = 0;
    assert_int_equal(quantize(&o), CN_OK);
    assert_true(last_done == last_total);

    /* What was there under the name stays if the new file cannot be made. */
    uint64_t before = checksum(out);
    make_model(NAN);
    struct cn_quantize_options q = { .type = "Q4_0" };
    assert_int_equal(quantize(&q), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "blk.3.ffn_up_exps.weight: row 63 "));
    make_model(-INFINITY);
    assert_int_equal(quantize(&q), CN_ERR_FORMAT);
    make_model(0);
    assert_true(checksum(out) == before);

    char link_path[96];
    snprintf(link_path, sizeof link_path, "%s/link.gguf", dir);
    assert_int_equal(link(in, link_path), 0);
    assert_int_equal(cn_quantize_file(in, in, &q, NULL, &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_quantize_file(in, link_path, &q, NULL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "same file"));
    unlink(link_path);
    snprintf(link_path, sizeof link_path, "%s/no/such/folder", dir);
    assert_int_equal(cn_quantize_file(in, link_path, &q, NULL, &err), CN_ERR_IO);
    assert_int_equal(cn_quantize_file(link_path, out, &q, NULL, &err), CN_ERR_IO);
}

/* ---- split models ---------------------------------------------------------------------------- */

enum { N_PARTS = 4 };

/* Where the parts end: the first holds no tensors, as some tools make it. */
static int part_of(size_t tensor)
{
    return tensor < 5 ? 1 : tensor < 40 ? 2 : 3;
}

static void part_path(char *path, size_t n, const char *prefix, int part)
{
    snprintf(path, n, "%s/%s-%05d-of-%05d.gguf", dir, prefix, part + 1, N_PARTS);
}

/* The model in four files. */
static void split_model(void)
{
    struct cn_gguf g;
    assert_int_equal(cn_gguf_open(in, &g, &err), CN_OK);
    for (int part = 0; part < N_PARTS; part++) {
        char path[128];
        struct cn_gguf_writer *w;
        part_path(path, sizeof path, "in", part);
        assert_int_equal(cn_gguf_writer_create(path, &w, &err), CN_OK);
        for (int64_t i = 0; part == 0 && i < g.n_kv; i++)
            cn_gguf_writer_raw(w, &g.kv[i]);
        cn_gguf_writer_u16(w, "split.no", (uint16_t)part);
        cn_gguf_writer_u16(w, "split.count", N_PARTS);
        cn_gguf_writer_i32(w, "split.tensors.count", (int32_t)n_specs);
        for (size_t i = 0; i < n_specs; i++)
            if (part_of(i) == part)
                cn_gguf_writer_tensor(w, specs[i].name, 0, specs[i].n_dims, specs[i].ne,
                                      g.tensors[i].bytes);
        for (size_t i = 0; i < n_specs; i++)
            if (part_of(i) == part)
                cn_gguf_writer_data(w, g.tensors[i].data, g.tensors[i].bytes);
        assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    }
    cn_gguf_close(&g);
}

static void test_keep_split(void **state)
{
    (void)state;
    static const char *const names[] = { "kept", "kept.gguf", "kept-00001-of-00004.gguf" };
    char first[128], path[128], name[128];
    struct cn_file_result whole, planned, r;
    struct cn_gguf one, parts;
    struct stat st;
    struct cn_quantize_options o = { .type = "Q4_K_M" };
    unlink(out);
    split_model();
    part_path(first, sizeof first, "in", 0);
    assert_int_equal(cn_quantize_file(in, out, &o, &whole, &err), CN_OK);
    assert_int_equal(whole.n_files, 1);
    assert_int_equal(cn_gguf_open(out, &one, &err), CN_OK);
    o.keep_split = true;
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(name, sizeof name, "%s/%s", dir, names[k]);
        o.dry_run = true;
        assert_int_equal(cn_quantize_file(first, name, &o, &planned, &err), CN_OK);
        o.dry_run = false;
        assert_int_equal(cn_quantize_file(first, name, &o, &r, &err), CN_OK);
        assert_int_equal(r.n_files, N_PARTS);
        assert_true(r.tensor_bytes == whole.tensor_bytes && planned.file_bytes == r.file_bytes);
        size_t bytes = 0;
        for (int part = 0; part < N_PARTS; part++) {
            part_path(path, sizeof path, "kept", part);
            assert_int_equal(stat(path, &st), 0);
            bytes += (size_t)st.st_size;
        }
        assert_int_equal(bytes, r.file_bytes);
        part_path(path, sizeof path, "kept", 0);
        assert_int_equal(cn_gguf_open(path, &parts, &err), CN_OK);
        assert_int_equal(parts.n_parts, N_PARTS);
        assert_int_equal(parts.n_tensors, one.n_tensors);
        for (int64_t i = 0; i < parts.n_tensors; i++) {
            const struct cn_gguf_tensor *a = &parts.tensors[i], *b = &one.tensors[i];
            assert_int_equal(a->part, part_of((size_t)i));
            assert_true(a->name.n == b->name.n && memcmp(a->name.p, b->name.p, a->name.n) == 0);
            assert_int_equal(a->gguf_type, b->gguf_type);
            assert_int_equal(a->bytes, b->bytes);
            assert_memory_equal(a->data, b->data, a->bytes);
        }
        for (int64_t i = 0; i < one.n_kv; i++) { /* all that the whole file says of the model */
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)one.kv[i].key.n, one.kv[i].key.p);
            const struct cn_gguf_kv *kv = cn_gguf_find(&parts, key);
            assert_non_null(kv);
            assert_int_equal(kv->raw_bytes, one.kv[i].raw_bytes);
            assert_memory_equal(kv->raw, one.kv[i].raw, kv->raw_bytes);
        }
        assert_int_equal(parts.n_kv, one.n_kv + 3);
        cn_gguf_close(&parts);
    }
    cn_gguf_close(&one);

    /* Cancelled at whatever moment: the files that were there before are. */
    uint64_t before = checksum(path);
    for (int calls = 0; calls < 60; calls += 17) {
        int left = calls;
        struct cn_quantize_options c = {
            .type = "Q8_0", .keep_split = true, .cancel = cancel, .user = &left
        };
        assert_int_equal(cn_quantize_file(first, path, &c, NULL, &err), CN_ERR_CANCELLED);
        assert_true(checksum(path) == before);
    }

    /* What is refused: one file, its own parts, names of another count, a pipe in the place of one.
     */
    assert_int_equal(cn_quantize_file(in, name, &o, NULL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no split to keep"));
    snprintf(name, sizeof name, "%s/in", dir);
    assert_int_equal(cn_quantize_file(first, name, &o, NULL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "same file"));
    snprintf(name, sizeof name, "%s/kept-00001-of-00003.gguf", dir);
    assert_int_equal(cn_quantize_file(first, name, &o, NULL, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "-00001-of-00004.gguf"));
    part_path(name, sizeof name, "kept", 1);
    assert_int_equal(cn_quantize_check_out(first, name, &o, &err), CN_ERR_ARGUMENT);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(mkfifo(name, 0600), 0);
    assert_int_equal(cn_quantize_check_out(first, path, &o, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, name));
    assert_int_equal(unlink(name), 0);
    assert_int_equal(cn_quantize_check_out(first, path, &o, &err), CN_OK);
    for (int part = 0; part < N_PARTS; part++) {
        part_path(path, sizeof path, "in", part);
        unlink(path);
        part_path(path, sizeof path, "kept", part);
        unlink(path);
    }
}

/* Files that are sound as containers but no models to quantise. */
static void test_odd_files(void **state)
{
    (void)state;
    static const char *const arch[] = { NULL, "",
                                        "an architecture's name as long as no name of one"
                                        " was ever or will ever be" };
    for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
        struct cn_gguf_writer *w;
        int64_t ne[2] = { 32, 1 };
        float zeros[32] = { 0 };
        assert_int_equal(cn_gguf_writer_create(in, &w, &err), CN_OK);
        if (arch[i])
            cn_gguf_writer_str(w, "general.architecture", arch[i]);
        cn_gguf_writer_tensor(w, "a.weight", 0, 2, ne, sizeof zeros);
        cn_gguf_writer_data(w, zeros, sizeof zeros);
        assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
        struct cn_quantize_options o = { .type = "Q8_0" };
        assert_int_equal(quantize(&o), CN_ERR_FORMAT);
        assert_non_null(strstr(err.text, "general.architecture"));
    }
    /* Nothing is known of this one but its name, and rows of 24 fit no format. */
    struct cn_gguf_writer *w;
    struct cn_gguf g;
    int64_t ne[2] = { 24, 2 };
    float zeros[48] = { 0 };
    assert_int_equal(cn_gguf_writer_create(in, &w, &err), CN_OK);
    cn_gguf_writer_str(w, "general.architecture", "llama");
    cn_gguf_writer_tensor(w, "a.weight", 0, 2, ne, sizeof zeros);
    cn_gguf_writer_data(w, zeros, sizeof zeros);
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    struct cn_quantize_options o = { .type = "Q4_0" };
    struct cn_file_result result;
    assert_int_equal(cn_quantize_file(in, out, &o, &result, &err), CN_OK);
    assert_int_equal(result.n_fell_back, 1);
    assert_int_equal(cn_gguf_open(out, &g, &err), CN_OK);
    assert_int_equal(tensor(&g, "a.weight")->gguf_type, 1);
    cn_gguf_close(&g);
    const char *const rule = "a=q8_0";
    o.tensor_types = &rule;
    o.n_tensor_types = 1;
    assert_int_equal(quantize(&o), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "rows of 24"));
    make_model(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file_type),   cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_imatrix),           cmocka_unit_test(test_need_of_an_imatrix),
        cmocka_unit_test(test_choices),           cmocka_unit_test(test_requantising),
        cmocka_unit_test(test_nothing_half_done), cmocka_unit_test(test_keep_split),
        cmocka_unit_test(test_odd_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

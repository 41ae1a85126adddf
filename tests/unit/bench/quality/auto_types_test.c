/* SPDX-License-Identifier: MIT
 *
 * Types chosen by measurement, on a tiny mixture of experts: budgets kept to the byte, what is
 * asked for untouched, and files that are what the plan said.
 */
#include "bench/quality/auto_types.h"

#include "bench/quality/divergence.h"
#include "engine/gguf/gguf.h"
#include "engine/make/imatrix_file.h"
#include "tests/arch_fixture.h"

#include <math.h>
#include <sys/stat.h>

static struct cn_error err;
static char path[300], out[] = "/tmp/carnot-auto-XXXXXX";

static void write_file(const struct cn_auto_plan *plan, const struct cn_auto_options *a)
{
    struct cn_quantize_options o = a->file;
    o.type = plan->file_type;
    o.choices = plan->choices;
    o.n_choices = plan->n_choices;
    struct cn_file_result r;
    struct stat st;
    assert_int_equal(cn_quantize_file(path, out, &o, &r, &err), CN_OK);
    assert_int_equal(stat(out, &st), 0);
    assert_int_equal(st.st_size, r.file_bytes);
    assert_int_equal(st.st_size, plan->file_bytes);
    assert_true(r.bpw == plan->bpw);
    /* Each tensor has the type of the plan, and the file calls its name a guess. */
    struct cn_gguf g;
    assert_int_equal(cn_gguf_open(out, &g, &err), CN_OK);
    assert_int_equal(g.n_tensors, plan->n_tensors);
    for (size_t i = 0; i < plan->n_tensors; i++) {
        const struct cn_gguf_tensor *t = cn_gguf_tensor(&g, plan->tensors[i].name);
        assert_non_null(t);
        assert_string_equal(cn_gguf_type_name(t->gguf_type), plan->tensors[i].type);
        assert_int_equal(t->bytes, plan->tensors[i].bytes);
    }
    int64_t id = 0;
    assert_int_equal(cn_gguf_need_i64(&g, "general.file_type", 0, 9999, &id, &err), CN_OK);
    assert_int_equal(id & 1024, 1024);
    assert_string_equal(cn_file_type_by_id((uint32_t)id)->name, plan->file_type);
    cn_gguf_close(&g);
}

static double predicted(const struct cn_auto_plan *plan)
{
    double sum = 0;
    for (size_t i = 0; i < plan->n_tensors; i++) {
        assert_true(plan->tensors[i].chosen == !isnan(plan->tensors[i].loss));
        sum += plan->tensors[i].chosen ? plan->tensors[i].loss : 0;
    }
    assert_true(fabs(sum - plan->loss) <= 1e-12 + 1e-9 * sum);
    return sum;
}

static double divergence(void)
{
    struct cn_divergence_options o = { .n_tokens = 256, .n_threads = 1 };
    struct cn_divergence *d;
    struct cn_model *base, *m;
    double kld;
    assert_int_equal(cn_model_open(path, NULL, &base, &err), CN_OK);
    assert_int_equal(cn_model_open(out, NULL, &m, &err), CN_OK);
    assert_int_equal(cn_divergence_create(base, &o, &d, &err), CN_OK);
    assert_int_equal(cn_divergence_measure(d, m, 256, &kld, &err), CN_OK);
    cn_divergence_free(d);
    cn_model_close(m);
    cn_model_close(base);
    return kld;
}

/* What was predicted is what comes, but for the interplay of the errors; and no plain file type of
 * this size or less is as near to the original. */
static void by_divergence(void **context)
{
    (void)context;
    struct cn_auto_options o = { .sensitivity = CN_SENSITIVITY_KL, .file.n_threads = 1 };
    struct cn_quantize_options q4 = { .type = "Q4_0" };
    struct cn_file_result r;
    assert_int_equal(cn_quantize_file(path, out, &q4, &r, &err), CN_OK);
    double plain = divergence();
    o.file_bytes = r.file_bytes;
    struct cn_auto_plan plan;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
    assert_int_equal(plan.sensitivity, CN_SENSITIVITY_KL);
    assert_false(plan.classes);
    assert_true(plan.n_probes >= (int)plan.n_choices);
    assert_true(plan.file_bytes <= o.file_bytes);
    write_file(&plan, &o);
    double now = divergence();
    printf("Q4_0: %g; chosen, at most as large: %g, predicted %g\n", plain, now, predicted(&plan));
    assert_true(now < 0.9 * plain);
    /* What they come to together was measured: the losses of the single ones add up to half as much
     * again. */
    assert_true(now < 1.3 * plan.loss && now > 0.77 * plan.loss);
    cn_auto_plan_free(&plan);
}

/* Only what is allowed is chosen, and what the file calls itself is of it too. */
static void families(void **context)
{
    (void)context;
    char small[300];
    memcpy(small, path, sizeof small);
    if (!fixture_path(path, sizeof path, "qwen2-256.gguf")) { /* rows of 256 */
        memcpy(path, small, sizeof path);
        skip();
    }
    for (enum cn_family family = CN_FAMILY_K; family <= CN_FAMILY_KT; family++) {
        struct cn_auto_options o = { .sensitivity = CN_SENSITIVITY_ERROR,
                                     .families = 1u << family,
                                     .bpw = 4.6,
                                     .file.n_threads = 1 };
        struct cn_auto_plan plan;
        int n_of_it = 0;
        assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
        for (size_t i = 0; i < plan.n_choices; i++) {
            const enum cn_family f = cn_format_family(cn_format_by_name(plan.choices[i].type));
            assert_true(f == family || f == CN_FAMILY_OTHER);
            n_of_it += f == family;
        }
        assert_true(n_of_it > 0);
        const struct cn_file_type *called = cn_file_type_by_name(plan.file_type);
        const enum cn_family f = cn_format_family(cn_format_by_gguf(called->base));
        assert_true(f == family || f == CN_FAMILY_OTHER);
        cn_auto_plan_free(&plan);
    }
    memcpy(path, small, sizeof path);
}

/* Too little time for each matrix: classes of them in the first, middle and last layers. With none
 * at all, unless it is insisted on, by the errors, and it says why. */
static void in_classes(void **context)
{
    (void)context;
    struct cn_auto_options o = {
        .bpw = 5.5, .sensitivity = CN_SENSITIVITY_KL, .seconds = 1e-3, .file.n_threads = 1
    };
    struct cn_auto_plan plan;
    char small[300];
    memcpy(small, path, sizeof small);
    if (!fixture_path(path, sizeof path, "gemma3.gguf"))
        skip();
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
    assert_true(plan.classes);
    /* seven layers, seven kinds of matrices, and the embedding */
    assert_int_equal(plan.n_choices, 7 * 7 + 1);
    assert_int_equal(plan.n_probes, 3 * 7 + 1);
    assert_true(plan.bpw <= o.bpw && plan.bpw > o.bpw - 0.3);
    assert_true(plan.loss > 0);
    write_file(&plan, &o);
    cn_auto_plan_free(&plan);
    o.sensitivity = CN_SENSITIVITY_AUTO;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
    assert_int_equal(plan.sensitivity, CN_SENSITIVITY_ERROR);
    assert_non_null(plan.why);
    assert_non_null(strstr(plan.why, "would take")); /* the text, or the probes */
    cn_auto_plan_free(&plan);
    memcpy(path, small, sizeof path);
}

/* Every budget between the ends is kept, by bits and by bytes, and more of it is never worse. */
static void budgets(void **context)
{
    (void)context;
    struct cn_auto_options o = { .sensitivity = CN_SENSITIVITY_ERROR, .file.n_threads = 2 };
    struct cn_auto_plan plan;
    double last = (double)INFINITY;
    for (o.bpw = 5; o.bpw < 8.6; o.bpw += 0.4) {
        assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
        assert_true(plan.bpw <= o.bpw && plan.bpw > o.bpw - 0.3);
        assert_true(predicted(&plan) <= last);
        last = plan.loss;
        cn_auto_plan_free(&plan);
    }
    o.bpw = 0;
    o.file_bytes = 1;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_ERR_ARGUMENT);
    unsigned long long least = 0, most = 0;
    const char *range = strstr(err.text, "too small: ");
    assert_non_null(range);
    assert_int_equal(sscanf(range, "too small: %llu to %llu can", &least, &most), 2);
    const uint64_t sizes[] = { least, least + 1, least + 4000, (least + most) / 2, most - 1, most };
    last = (double)INFINITY;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        o.file_bytes = sizes[i];
        assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
        assert_true(plan.file_bytes <= sizes[i]);
        assert_true(i > 0 || plan.file_bytes == least);
        assert_true(plan.loss <= last);
        last = plan.loss;
        if (i >= 2)
            write_file(&plan, &o);
        cn_auto_plan_free(&plan);
    }
    assert_true(o.file_bytes == most);
    const uint64_t beyond[] = { 0, least - 1, most + 1, UINT64_MAX };
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        o.file_bytes = beyond[i];
        assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, i < 2 ? "too small" : "too large"));
    }
    o.bpw = 1;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "too few"));
    assert_non_null(strstr(err.text, "--imatrix"));
    o.bpw = 30;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "too many"));
}

static void asked_for(void **context)
{
    (void)context;
    const char *rules[] = { "attn_v=q8_0", "blk\\.0\\.attn_k=f16" };
    struct cn_auto_options o = { .bpw = 6,
                                 .sensitivity = CN_SENSITIVITY_ERROR,
                                 .file.tensor_types = rules,
                                 .file.n_tensor_types = 2,
                                 .file.output_type = "q5_1",
                                 .file.n_threads = 1 };
    struct cn_auto_plan plan;
    int n_asked = 0;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
    for (size_t i = 0; i < plan.n_tensors; i++) {
        const struct cn_auto_tensor *t = &plan.tensors[i];
        const char *asked = strstr(t->name, "attn_v.")                    ? "Q8_0"
                            : strcmp(t->name, "blk.0.attn_k.weight") == 0 ? "F16"
                            : strcmp(t->name, "output.weight") == 0       ? "Q5_1"
                                                                          : NULL;
        if (!asked)
            continue;
        n_asked++;
        assert_false(t->chosen);
        assert_string_equal(t->type, asked);
    }
    assert_true(n_asked >= 4);
    assert_true(plan.bpw <= 6);
    write_file(&plan, &o);
    cn_auto_plan_free(&plan);
}

/* Importance changes what an error costs, and what the file says of it counts in its size. */
static void with_importance(void **context)
{
    (void)context;
    char weights[] = "/tmp/carnot-auto-imatrix-XXXXXX";
    struct cn_imatrix im = { 0 };
    struct cn_gguf g;
    int fd = mkstemp(weights);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cn_gguf_open(path, &g, &err), CN_OK);
    for (int64_t i = 0; i < g.n_tensors; i++) {
        const struct cn_gguf_tensor *t = &g.tensors[i];
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)t->name.n, t->name.p);
        if (t->n_dims < 2 || strncmp(name, "blk.", 4) != 0)
            continue;
        struct cn_imatrix_entry *e = cn_imatrix_add(&im, name, t->ne[0], t->ne[2]);
        assert_non_null(e);
        for (int64_t m = 0; m < t->ne[2]; m++) {
            e->count[m] = m == 2 ? 0 : 10 * (double)(m + 1); /* one expert was never called */
            for (int64_t c = 0; c < t->ne[0] && m != 2; c++)
                e->sum2[m * t->ne[0] + c] = c % 16 == 0 ? 1000 : 1;
        }
    }
    cn_gguf_close(&g);
    assert_true(cn_imatrix_add_dataset(&im, "a text"));
    assert_int_equal(cn_imatrix_write(weights, &im, &err), CN_OK);
    cn_imatrix_free(&im);
    struct cn_auto_options o = { .bpw = 5,
                                 .sensitivity = CN_SENSITIVITY_ERROR,
                                 .file.n_threads = 1 };
    struct cn_auto_plan plain, plan;
    assert_int_equal(cn_auto_plan_make(path, &o, &plain, &err), CN_OK);
    o.file.imatrix = weights;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
    assert_true(plan.loss != plain.loss);
    write_file(&plan, &o);
    cn_auto_plan_free(&plan);
    o.sensitivity = CN_SENSITIVITY_KL;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_OK);
    write_file(&plan, &o);
    cn_auto_plan_free(&plan);
    cn_auto_plan_free(&plain);
    unlink(weights);
}

static bool at_once(void *user)
{
    (void)user;
    return true;
}

static void failures(void **context)
{
    (void)context;
    struct cn_auto_options o = { .bpw = 6,
                                 .sensitivity = CN_SENSITIVITY_ERROR,
                                 .file.n_threads = 1 };
    struct cn_auto_plan plan;
    assert_int_equal(cn_auto_plan_make("/nosuch", &o, &plan, &err), CN_ERR_IO);
    struct cn_quantize_options q4 = { .type = "Q4_0" };
    assert_int_equal(cn_quantize_file(path, out, &q4, NULL, &err), CN_OK);
    assert_int_equal(cn_auto_plan_make(out, &o, &plan, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "--allow-requantize"));
    o.file.allow_requantize = true;
    assert_int_equal(cn_auto_plan_make(out, &o, &plan, &err), CN_OK);
    cn_auto_plan_free(&plan);
    o.cancel = at_once;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_ERR_CANCELLED);
    o.sensitivity = CN_SENSITIVITY_KL;
    assert_int_equal(cn_auto_plan_make(path, &o, &plan, &err), CN_ERR_CANCELLED);
}

int main(void)
{
    if (!fixture_path(path, sizeof path, "llama-moe.gguf"))
        return 77;
    int fd = mkstemp(out);
    if (fd < 0)
        return 1;
    close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_divergence), cmocka_unit_test(in_classes),
        cmocka_unit_test(families),      cmocka_unit_test(budgets),
        cmocka_unit_test(asked_for),     cmocka_unit_test(with_importance),
        cmocka_unit_test(failures),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(out);
    return failed;
}

/* SPDX-License-Identifier: MIT
 *
 * Memory that runs out at every moment: each operation is run with its Nth allocation refused, for
 * every N, once that one alone and once all from it on. It has to come back with one line of text
 * (or to do without), with nothing kept: no memory, no file descriptor, no file.
 *
 * The linker sends calls of the functions below here (--wrap in the Makefile), those of our own
 * code; a FILE, a thread, a mapping and a regular expression count as allocations.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/table.h"
#include "bench/model/generate.h"
#include "bench/quality/ppl.h"
#include "bench/stats/comparison.h"
#include "bench/stats/published.h"
#include "engine/run/nextn.h"
#include "engine/tools.h"
#include "profiler/profiler.h"

#define MODEL     "tests/fixtures/bad/good.gguf"
#define MODEL_F16 "tests/fixtures/bad/good-f16.gguf"
#define MODEL_BPE "tests/fixtures/bad/good-bpe.gguf"

/* ---- the allocator ------------------------------------------------------------------------ */

static atomic_long n_calls, n_live;
static long fail_at; /* 0: never */
static bool fail_on; /* and all behind it */

static bool refused(void)
{
    long call = atomic_fetch_add(&n_calls, 1) + 1;
    return fail_at && (call == fail_at || (fail_on && call > fail_at));
}

/* clang-format off */
#define WRAP(type, name, params, args, failure)                       \
    type __real_##name params;                                        \
    type __wrap_##name params;                                        \
    type __wrap_##name params                                         \
    {                                                                 \
        if (refused()) {                                              \
            errno = ENOMEM;                                           \
            return failure;                                           \
        }                                                             \
        type result = __real_##name args;                             \
        if (result != failure)                                        \
            atomic_fetch_add(&n_live, 1);                             \
        return result;                                                \
    }
WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t k, size_t n), (k, n), NULL)
WRAP(void *, aligned_alloc, (size_t a, size_t n), (a, n), NULL)
WRAP(char *, strdup, (const char *s), (s), NULL)
WRAP(char *, strndup, (const char *s, size_t n), (s, n), NULL)
WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
WRAP(FILE *, fopencookie, (void *c, const char *mode, cookie_io_functions_t io), (c, mode, io), NULL)
WRAP(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at), (p, n, prot, flags, fd, at), MAP_FAILED)
/* clang-format on */

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    if (p)
        atomic_fetch_sub(&n_live, 1);
    __real_free(p);
}

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
    if (refused()) {
        errno = ENOMEM;
        return NULL;
    }
    void *result = __real_realloc(p, n);
    if (result && !p)
        atomic_fetch_add(&n_live, 1);
    return result;
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **text, const char *format, ...);
int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list args;
    if (refused())
        return -1;
    va_start(args, format);
    int n = vasprintf(text, format, args);
    va_end(args);
    if (n >= 0)
        atomic_fetch_add(&n_live, 1);
    return n;
}

int __real_fclose(FILE *f);
int __wrap_fclose(FILE *f);
int __wrap_fclose(FILE *f)
{
    atomic_fetch_sub(&n_live, 1);
    return __real_fclose(f);
}

int __real_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n)
{
    atomic_fetch_sub(&n_live, 1);
    return __real_munmap(p, n);
}

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return refused() ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

int __real_regcomp(regex_t *re, const char *pattern, int flags);
int __wrap_regcomp(regex_t *re, const char *pattern, int flags);
int __wrap_regcomp(regex_t *re, const char *pattern, int flags)
{
    return refused() ? REG_ESPACE : __real_regcomp(re, pattern, flags);
}

/* ---- operations --------------------------------------------------------------------------- */

static char out[] = "/tmp/alloc_test_XXXXXX"; /* a folder */
static char out_file[64];
static struct cn_model *model;

typedef enum cn_status operation(struct cn_error *err);

static enum cn_status op_load(struct cn_error *err)
{
    struct cn_model *m;
    enum cn_status status = cn_model_open(MODEL, NULL, &m, err);
    if (status == CN_OK)
        cn_model_close(m);
    return status;
}

static enum cn_status op_load_bpe(struct cn_error *err)
{
    struct cn_model *m;
    int32_t *tokens = NULL;
    char *text = NULL;
    size_t n, n_text;
    enum cn_status status = cn_model_open(MODEL_BPE, NULL, &m, err);
    if (status != CN_OK)
        return status;
    status = cn_tokenize(m, "Hello <s> 123 world", 19, CN_TOKENIZE_BOS | CN_TOKENIZE_SPECIAL,
                         &tokens, &n, err);
    if (status == CN_OK)
        status = cn_detokenize(m, tokens, n, true, &text, &n_text, err);
    free(tokens);
    free(text);
    cn_model_close(m);
    return status;
}

static enum cn_status op_generate(struct cn_error *err)
{
    struct cn_session *s = NULL;
    struct cn_sampler *sampler = NULL;
    int32_t *prompt = NULL;
    size_t n = 0;
    struct cn_generation result;
    const struct cn_session_options options = { .n_ctx = 32, .n_batch = 4, .n_threads = 2 };
    const struct cn_logit_bias bias = { 5, 1 };
    const struct cn_sampler_options sampling = { .temperature = 1,
                                                 .top_k = 8,
                                                 .top_p = 0.9f,
                                                 .repeat_penalty = 1.1f,
                                                 .repeat_last_n = 8,
                                                 .bias = &bias,
                                                 .n_bias = 1 };
    const struct cn_generate_options generate = { .n_predict = 4, .ignore_end = true };
    enum cn_status status = cn_session_create(model, &options, &s, err);
    if (status == CN_OK)
        status = cn_sampler_create(model, &sampling, &sampler, err);
    if (status == CN_OK)
        status = cn_tokenize(model, "a b c", 5, CN_TOKENIZE_BOS, &prompt, &n, err);
    if (status == CN_OK)
        status = cn_generate(s, model, sampler, prompt, (int32_t)n, &generate, &result, err);
    free(prompt);
    cn_sampler_free(sampler);
    cn_session_free(s);
    return status;
}

static enum cn_status op_session(struct cn_error *err)
{
    static const int32_t tokens[] = { 1, 5, 6 };
    const struct cn_session_options options = { .n_ctx = 32, .n_threads = 2 };
    struct cn_session *s = NULL;
    int32_t n_kept;
    enum cn_status status = cn_session_create(model, &options, &s, err);
    if (status == CN_OK)
        status = cn_session_prompt(s, tokens, 3, &n_kept, err);
    if (status == CN_OK)
        status = cn_session_save(s, out_file, err);
    if (status == CN_OK)
        status = cn_session_load(s, out_file, err);
    cn_session_free(s);
    return status;
}

static enum cn_status op_lanes(struct cn_error *err)
{
    static const int32_t tokens[] = { 1, 5, 6 };
    const struct cn_session_options options = { .n_ctx = 32, .n_threads = 2 };
    struct cn_group *group = NULL;
    struct cn_session *a = NULL, *b = NULL;
    enum cn_status status = cn_group_create(model, &options, 2, &group, err);
    if (status == CN_OK)
        status = cn_group_join(group, &a, err);
    if (status == CN_OK)
        status = cn_session_eval(a, tokens, 3, CN_WANT_LAST, err);
    if (status == CN_OK)
        status = cn_group_join(group, &b, err);
    if (status == CN_OK)
        status = cn_session_fork(b, a, err);
    const struct cn_step steps[] = {
        {a,  tokens + 1, 1, CN_WANT_LAST},
        { b, tokens + 2, 1, CN_WANT_LAST},
    };
    if (status == CN_OK)
        status = cn_group_eval(group, steps, 2, err);
    cn_session_free(a);
    cn_session_free(b);
    cn_group_free(group);
    return status;
}

/* The model drafts for itself. */
static enum cn_status op_speculate(struct cn_error *err)
{
    static const int32_t tokens[] = { 1, 5, 6 };
    const struct cn_session_options options = { .n_ctx = 32, .n_logits = 8, .n_threads = 2 };
    const struct cn_sampler_options sampling = { .temperature = 1,
                                                 .top_p = 1,
                                                 .repeat_penalty = 1 };
    struct cn_speculator_options how = { .n_draft = 4 };
    struct cn_session *s = NULL;
    struct cn_sampler *sampler = NULL;
    struct cn_speculator *speculator = NULL;
    int32_t n_kept, next[8], n;
    enum cn_status status = cn_session_create(model, &options, &s, err);
    if (status == CN_OK)
        status = cn_session_create(model, &options, &how.draft, err);
    if (status == CN_OK)
        status = cn_sampler_create(model, &sampling, &sampler, err);
    if (status == CN_OK)
        status = cn_speculator_create(s, sampler, &how, &speculator, err);
    if (status == CN_OK)
        status = cn_speculator_prompt(speculator, tokens, 3, &n_kept, err);
    for (int i = 0; i < 3 && status == CN_OK; i++)
        status = cn_speculator_next(speculator, next, 8, &n, err);
    cn_speculator_free(speculator);
    cn_sampler_free(sampler);
    cn_session_free(how.draft);
    cn_session_free(s);
    return status;
}

/* A model's own block drafts. */
static enum cn_status op_nextn(struct cn_error *err)
{
    static const int32_t tokens[] = { 1, 5, 6 };
    static const char path[] = "tests/fixtures/arch2/qwen35-mtp.gguf";
    const struct cn_session_options options = { .n_ctx = 32, .n_threads = 1 };
    struct cn_model *m = NULL;
    struct cn_session *s = NULL;
    enum cn_status status = cn_model_open(path, NULL, &m, err);
    if (status == CN_OK)
        status = cn_session_create(m, &options, &s, err);
    if (status == CN_OK)
        status = cn_nextn_begin(s, err);
    if (status == CN_OK)
        status = cn_session_eval(s, tokens, 3, CN_WANT_NONE, err);
    if (status == CN_OK)
        status = cn_nextn_eval(s, 0, tokens + 1, 2, true, err);
    cn_session_free(s);
    cn_model_close(m);
    return status;
}

static enum cn_status op_chat(struct cn_error *err)
{
    static const char json[] = "[{\"role\":\"user\",\"content\":\"a\\u00e4\"}]";
    struct cn_chat_message *messages;
    int32_t *tokens;
    size_t n, n_tokens;
    enum cn_status status = cn_chat_parse(json, sizeof json - 1, "m", &messages, &n, err);
    if (status != CN_OK)
        return status;
    status = cn_chat_tokenize(model, "chatml", messages, n, true, &tokens, &n_tokens, err);
    if (status == CN_OK)
        free(tokens);
    free(messages);
    return status;
}

static enum cn_status op_imatrix(struct cn_error *err)
{
    static const int32_t tokens[] = { 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 };
    const struct cn_imatrix_options options = { .out = out_file,
                                                .dataset = "text",
                                                .n_ctx = 8,
                                                .every = 1,
                                                .n_threads = 1,
                                                .output_tensor = true };
    struct cn_imatrix_result result;
    return cn_imatrix_make(model, tokens, 16, &options, &result, err);
}

/* With what op_imatrix left, if it got as far. */
static char imatrix_file[64];

static enum cn_status op_imatrix_merge(struct cn_error *err)
{
    const char *in[] = { imatrix_file, "tests/fixtures/fuzz/imatrix/good.gguf" };
    const struct cn_imatrix_options options = { .out = out_file, .in = in, .n_in = 2 };
    struct cn_imatrix_result result;
    return cn_imatrix_make(NULL, NULL, 0, &options, &result, err);
}

static enum cn_status op_quantize(struct cn_error *err)
{
    const char *types[] = { "attn_v=q8_0", "ffn_.*=q5_0" };
    const struct cn_quantize_options options = { .type = "Q4_0",
                                                 .imatrix = imatrix_file,
                                                 .tensor_types = types,
                                                 .n_tensor_types = 2,
                                                 .n_threads = 2 };
    struct cn_file_result result;
    return cn_quantize_file(MODEL_F16, out_file, &options, &result, err);
}

static enum cn_status op_inspect(struct cn_error *err)
{
    struct cn_inspect *inspect;
    enum cn_status status = cn_inspect_open(MODEL, &inspect, err);
    if (status != CN_OK)
        return status;
    status = cn_inspect_check(inspect, NULL, NULL, err);
    cn_inspect_close(inspect);
    return status;
}

static enum cn_status op_perplexity(struct cn_error *err)
{
    static const int32_t tokens[] = { 1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 };
    struct cn_perplexity_options options = { .n_ctx = 8, .n_threads = 1 };
    struct cn_perplexity result;
    struct cn_outfile *file;
    enum cn_status status = cn_outfile_create(out_file, &file, err);
    if (status != CN_OK)
        return status;
    options.save_base = cn_outfile_stream(file);
    status = cn_perplexity_run(model, tokens, 16, &options, &result, err);
    if (status == CN_OK)
        return cn_outfile_finish(file, err);
    cn_outfile_abandon(file);
    return status;
}

static enum cn_status op_table(struct cn_error *err)
{
    struct cn_table *t = cn_table_create("t");
    if (!t) {
        snprintf(err->text, sizeof err->text, "out of memory");
        return CN_ERR_MEMORY;
    }
    cn_table_column(t, "a", "A", -1);
    cn_table_column(t, "b", "B", 2);
    cn_table_column(t, "c", NULL, 2);
    for (int i = 0; i < 20; i++) {
        cn_table_row(t);
        cn_table_str(t, "a", "text, \"quoted\"");
        cn_table_f64(t, "b", 0.5 * i);
        cn_table_null(t, "c", "unsupported");
    }
    enum cn_status status = cn_table_save(t, out_file, err);
    cn_table_free(t);
    return status;
}

static enum cn_status op_profile(struct cn_error *err)
{
    const struct cn_profiler_options options = { .meter = "none", .max_phases = 16 };
    struct cn_profiler_error e = { "" };
    struct cn_profiler *p = cn_profiler_create(&options, &e);
    bool ok = p && cn_profiler_start(p, &e) == 0;
    if (ok) {
        cn_profiler_phase_begin(p, "decode", 0);
        cn_profiler_phase_end(p);
        ok = cn_profiler_stop(p, &e) == 0 && cn_profiler_write_trace(p, out_file, &e) == 0;
    }
    cn_profiler_free(p);
    snprintf(err->text, sizeof err->text, "%.500s", e.text);
    return ok ? CN_OK : CN_ERR_MEMORY;
}

static char trace_file[64], samples_file[64];

static enum cn_status op_attribute(struct cn_error *err)
{
    struct cn_profiler_error e = { "" };
    struct cn_profiler *p = cn_attribute_files(trace_file, samples_file, NULL, &e);
    snprintf(err->text, sizeof err->text, "%.500s", e.text);
    if (!p)
        return CN_ERR_MEMORY;
    struct cn_energy energy;
    cn_profiler_total(p, 0, NULL, 0, SIZE_MAX, &energy);
    cn_profiler_free(p);
    return CN_OK;
}

/* ---- the sweep ---------------------------------------------------------------------------- */

static int entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static enum cn_status op_compare(struct cn_error *err)
{
    static const char csv[] = "quant,rep,joules\na,0,1\na,1,2\na,2,3\nb,0,2\nb,1,3\nb,2,5\n"
                              "c,0,2\nc,1,3\nc,2,4\n";
    static const char json[] = "[{\"what\": \"a\", \"joules\": \"2 (IQR 1)\"}]";
    const struct cn_compare_options by = { .by = "quant", .margin = 0.05 };
    const struct cn_published_options figures = { "quant", NULL, "joules=joules" };
    struct cn_dataset *parts[2] = { NULL, NULL }, *both = NULL;
    const char *const labels[] = { "x", "y" };
    struct cn_comparisons *c = NULL;
    struct cn_published *p = NULL;
    enum cn_status status = cn_dataset_parse(csv, sizeof csv - 1, "csv", &parts[0], err);
    if (status == CN_OK)
        status = cn_dataset_parse(json, sizeof json - 1, "json", &parts[1], err);
    if (status == CN_OK)
        status = cn_dataset_join(parts, labels, 2, "file", &both, err);
    if (status == CN_OK)
        status = cn_compare(parts[0], &by, &c, err);
    if (status == CN_OK)
        status = cn_published_check(parts[0], parts[1], &figures, &p, err);
    cn_published_free(p);
    cn_comparisons_free(c);
    cn_dataset_free(both);
    cn_dataset_free(parts[0]);
    cn_dataset_free(parts[1]);
    return status;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Returns how many allocations the operation makes. */
static long sweep(const char *name, operation *op, bool rest)
{
    long failures = 0, survived = 0;
    for (long n = 1;; n++) {
        struct cn_error err = { "" };
        unlink(out_file);
        int n_files = entries(out), n_fds = entries("/proc/self/fd");
        long live = n_live;
        n_calls = 0;
        fail_on = rest;
        fail_at = n;
        enum cn_status status = op(&err);
        fail_at = 0;
        bool reached = n_calls >= n;
        if (n_live != live)
            fail_msg("%s, allocation %ld refused: %ld not freed", name, n, n_live - live);
        if (entries("/proc/self/fd") != n_fds)
            fail_msg("%s, allocation %ld refused: a file is still open", name, n);
        if (status != CN_OK) {
            if (!reached)
                fail_msg("%s fails by itself: %s", name, err.text);
            if (access(out_file, F_OK) != 0 && entries(out) != n_files)
                fail_msg("%s, allocation %ld refused: a temporary file was left", name, n);
            if (!err.text[0] || strchr(err.text, '\n'))
                fail_msg("%s, allocation %ld refused: the error is '%s'", name, n, err.text);
            if (status != CN_ERR_MEMORY && !strstr(err.text, "memory") &&
                !strstr(err.text, "cannot start 2 threads: Resource temporarily unavailable"))
                fail_msg("%s, allocation %ld refused: the error is '%s'", name, n, err.text);
            failures++;
        } else if (reached) {
            survived++;
        } else {
            printf("%s: %ld allocations, %ld refusals reported, %ld done without%s\n", name, n - 1,
                   failures, survived, rest ? " (all from there on)" : "");
            return n - 1;
        }
    }
}

#define SWEEP(op)                                    \
    static void test_##op(void **state)              \
    {                                                \
        (void)state;                                 \
        assert_true(sweep(#op, op_##op, false) > 0); \
        assert_true(sweep(#op, op_##op, true) > 0);  \
    }

SWEEP(load)
SWEEP(load_bpe)
SWEEP(generate)
SWEEP(session)
SWEEP(lanes)
SWEEP(speculate)
SWEEP(nextn)
SWEEP(chat)
SWEEP(imatrix)
SWEEP(imatrix_merge)
SWEEP(quantize)
SWEEP(inspect)
SWEEP(perplexity)
SWEEP(table)
SWEEP(profile)
SWEEP(attribute)
SWEEP(compare)

static int group_setup(void **state)
{
    (void)state;
    struct cn_error err;
    assert_non_null(mkdtemp(out));
    snprintf(out_file, sizeof out_file, "%s/out", out);
    snprintf(imatrix_file, sizeof imatrix_file, "%s/imatrix", out);
    snprintf(trace_file, sizeof trace_file, "%s/trace", out);
    snprintf(samples_file, sizeof samples_file, "%s/samples", out);
    write_text(trace_file, "{\"phase\":\"idle\",\"index\":0,\"t0_ns\":0,\"t1_ns\":100000000}\n"
                           "{\"phase\":\"decode\",\"index\":0,\"t0_ns\":100000000,"
                           "\"t1_ns\":900000000}\n");
    write_text(samples_file, "t_ms,power_mw\n0,1000\n100,1200\n500,900\n900,1000\n1000,900\n");
    if (cn_model_open(MODEL, NULL, &model, &err) != CN_OK)
        fail_msg("%s", err.text);
    if (op_imatrix(&err) != CN_OK)
        fail_msg("%s", err.text);
    return rename(out_file, imatrix_file);
}

static int group_teardown(void **state)
{
    (void)state;
    cn_model_close(model);
    const char *files[] = { out_file, imatrix_file, trace_file, samples_file };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    return rmdir(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),       cmocka_unit_test(test_load_bpe),
        cmocka_unit_test(test_generate),   cmocka_unit_test(test_session),
        cmocka_unit_test(test_lanes),      cmocka_unit_test(test_speculate),
        cmocka_unit_test(test_nextn),      cmocka_unit_test(test_chat),
        cmocka_unit_test(test_imatrix),    cmocka_unit_test(test_imatrix_merge),
        cmocka_unit_test(test_quantize),   cmocka_unit_test(test_inspect),
        cmocka_unit_test(test_perplexity), cmocka_unit_test(test_table),
        cmocka_unit_test(test_profile),    cmocka_unit_test(test_attribute),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

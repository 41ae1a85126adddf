/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "bench/model/run_record.h"
#include "bench/study/study_schema.h"

static char path[64];

static struct cn_json *read_record(void)
{
    static char text[65536];
    struct cn_json *json;
    struct cn_error err = { "" };
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    unlink(path);
    if (cn_json_parse(text, n, path, &json, &err) != CN_OK)
        fail_msg("%s", err.text);
    return json;
}

static double number(const struct cn_json_value *row, const char *key)
{
    const struct cn_json_value *v = cn_json_get(row, key);
    assert_non_null(v);
    assert_int_equal(v->type, CN_JSON_NUMBER);
    return v->number;
}

/* A real run of a tiny model: each key of its record is a column of `runs`, or of what the study
 * knows already. */
static void of_a_run(void **state)
{
    (void)state;
    static const char *const known[] = { "architecture",    "file_type", "bpw",
                                         "threads_prefill", "kv",        "phases" };
    struct cn_error err = { "" };
    struct cn_model *model;
    struct cn_session *session;
    struct cn_sampler *sampler;
    struct cn_generation g;
    struct cn_profiler *profiler = cn_profiler_create(NULL, NULL);
    struct cn_run_record *record = cn_run_record_create();
    struct cn_session_options options = { .n_ctx = 16, .n_threads = 1 };
    struct cn_generate_options generate = { .n_predict = 5, .ignore_end = true };
    const int32_t prompt[] = { 5, 9, 3 };
    snprintf(path, sizeof path, "/tmp/carnot-record-%ld.json", (long)getpid());
    assert_non_null(profiler);
    assert_int_equal(cn_profiler_start(profiler, NULL), 0);
    assert_int_equal(cn_model_open("tests/fixtures/arch/llama-f32.gguf", NULL, &model, &err),
                     CN_OK);
    assert_int_equal(cn_session_create(model, &options, &session, &err), CN_OK);
    assert_int_equal(cn_sampler_create(model, &(struct cn_sampler_options){ .repeat_penalty = 1 },
                                       &sampler, &err),
                     CN_OK);
    generate.profiler = profiler;
    assert_int_equal(cn_generate(session, model, sampler, prompt, 3, &generate, &g, &err), CN_OK);
    cn_profiler_stop(profiler, NULL);
    cn_run_record_token(record, 7, "a \"text\"\n", 9);
    cn_run_record_token(record, 8, "\0\xff", 2);
    cn_run_record_token(record, -1, "end", 3);
    struct cn_run_facts facts = { .model = model,
                                  .profiler = profiler,
                                  .generation = &g,
                                  .n_decoded = 4,
                                  .n_passes = 4,
                                  .kv_bytes = cn_session_kv_bytes(session),
                                  .n_threads = 1,
                                  .kv = "f16",
                                  .carnot = "1.2.3" };
    assert_int_equal(cn_run_record_save(record, &facts, path, &err), CN_OK);
    struct cn_json *json = read_record();
    const struct cn_json_value *row = cn_json_root(json)->first;
    assert_string_equal(cn_json_get(row, "response")->string, "a \"text\"\n\xef\xbf\xbd"
                                                              "end");
    assert_string_equal(cn_json_get(row, "response_ids")->string, "7 8");
    assert_true(number(row, "input_tokens") == 3 && number(row, "output_tokens") == 5);
    assert_true(number(row, "decoded_tokens") == 4 && number(row, "passes") == 4);
    assert_true(number(row, "threads") == 1 && number(row, "threads_prefill") == 1);
    assert_true(number(row, "kv_bytes") == (double)cn_session_kv_bytes(session));
    /* Four tokens were evaluated at 3 to 6, of a context of 16: they see 5.5 in the mean. */
    assert_true(number(row, "token_kv_bytes") == 5.5 / 16 * number(row, "kv_bytes"));
    assert_true(number(row, "token_state_bytes") == 0);
    const double weights = number(row, "token_bytes") - number(row, "token_kv_bytes");
    const double most = (double)cn_model_get_info(model)->decode_bytes;
    assert_true(weights <= most && weights > 0.95 * most);
    assert_true(number(row, "decode_tps") > 0 && number(row, "prefill_tps") > 0);
    /* J of nothing is not 0. */
    const struct cn_json_value *joules = cn_json_get(row, "joules");
    assert_int_equal(joules->type == CN_JSON_NUMBER && joules->number == 0, 0);
    assert_non_null(cn_json_get(row, "phases")->first);
    for (const struct cn_json_value *v = row->first; v; v = v->next) {
        char column[80];
        bool found = false;
        snprintf(column, sizeof column, "\n  %s ", v->key);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= strcmp(known[i], v->key) == 0;
        if (!found && !strstr(strstr(CN_STUDY_SQL, "CREATE TABLE runs"), column))
            fail_msg("'%s' is no column of runs", v->key);
    }
    cn_json_free(json);
    snprintf(path, sizeof path, "/no/such/folder.json");
    assert_int_equal(cn_run_record_save(record, &facts, path, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, path));
    cn_run_record_free(record);
    cn_run_record_free(NULL);
    cn_sampler_free(sampler);
    cn_session_free(session);
    cn_model_close(model);
    cn_profiler_free(profiler);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* 10 W in samples each 10 ms: 1 s of decode is 10 J. */
static void of_joined_samples(void **state)
{
    (void)state;
    char trace[80], samples[80], text[16384];
    struct cn_profiler_error why = { "" };
    struct cn_error err = { "" };
    snprintf(trace, sizeof trace, "/tmp/carnot-record-%ld.jsonl", (long)getpid());
    snprintf(samples, sizeof samples, "/tmp/carnot-record-%ld.csv", (long)getpid());
    snprintf(path, sizeof path, "/tmp/carnot-record-%ld.json", (long)getpid());
    write_file(trace,
               "{\"phase\":\"prefill\",\"index\":0,\"t0_ns\":1000000000,\"t1_ns\":1500000000}\n"
               "{\"phase\":\"decode\",\"index\":0,\"t0_ns\":1500000000,\"t1_ns\":2500000000}\n");
    strcpy(text, "t_s,power_w\n");
    for (int i = 0; i <= 300; i++)
        sprintf(text + strlen(text), "%.2f,%s\n", 0.5 + i * 0.01, i % 2 ? "10.1" : "9.9");
    write_file(samples, text);
    struct cn_profiler *p = cn_attribute_files(trace, samples, NULL, &why);
    unlink(trace);
    unlink(samples);
    if (!p)
        fail_msg("%s", why.text);
    assert_int_equal(cn_run_record_save_energy(p, path, &err), CN_OK);
    struct cn_json *json = read_record();
    const struct cn_json_value *row = cn_json_root(json)->first;
    assert_true(number(row, "joules") > 14.5 && number(row, "joules") < 15.5);
    assert_null(cn_json_get(row, "response"));
    const struct cn_json_value *phase = cn_json_get(row, "phases")->first->next;
    assert_string_equal(cn_json_get(phase, "phase")->string, "decode");
    assert_true(number(phase, "joules") > 9.5 && number(phase, "joules") < 10.5);
    cn_json_free(json);
    cn_profiler_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_run),
        cmocka_unit_test(of_joined_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

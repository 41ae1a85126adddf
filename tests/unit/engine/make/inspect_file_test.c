/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/tools.h"
#include "tests/shared_data.h"

static struct cn_inspect *open_file(const char *path)
{
    struct cn_inspect *in = NULL;
    struct cn_error err;
    if (cn_inspect_open(path, &in, &err) != CN_OK)
        fail_msg("%s", err.text);
    return in;
}

static void model_is_described(void **state)
{
    struct cn_inspect *in = open_file("models/prose-8m-f16.gguf");
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    struct cn_inspect_type type;
    struct cn_error err;
    int64_t n_tensors = 0, n_elems = 0, n_bytes = 0;
    (void)state;
    assert_string_equal(info->kind, "model");
    assert_string_equal(info->architecture, "qwen2");
    assert_string_equal(info->tokenizer, "gpt2");
    assert_string_equal(info->file_type, "F16");
    assert_int_equal(info->file_type_id, 1);
    assert_int_equal(info->n_layer, 8);
    assert_int_equal(info->n_embd, 256);
    assert_int_equal(info->n_vocab, 8192);
    assert_null(info->problem);
    for (int64_t i = 0; cn_inspect_get_type(in, i, &type); i++) {
        n_tensors += type.n_tensors;
        n_elems += type.n_elems;
        n_bytes += type.n_bytes;
    }
    assert_int_equal(n_tensors, info->n_tensors);
    assert_int_equal(n_elems, info->n_params);
    assert_int_equal(n_bytes, info->tensor_bytes);
    assert_true(info->bpw == (double)n_bytes * 8 / (double)n_elems);
    assert_true(info->bpw > 16 && info->bpw < 16.1);
    assert_true(info->file_bytes > info->tensor_bytes);
    assert_int_equal(cn_inspect_check(in, NULL, NULL, &err), CN_OK);
    cn_inspect_close(in);
    cn_inspect_close(NULL);
}

static void lists_are_complete(void **state)
{
    struct cn_inspect *in = open_file("tests/fixtures/bad/good.gguf");
    const struct cn_inspect_info *info = cn_inspect_get_info(in);
    struct cn_inspect_tensor t;
    struct cn_inspect_key k;
    int64_t n = 0, tokens = 0, bytes = 0;
    (void)state;
    /* one layer, 2 KV heads of 8: 16 keys and 16 values of 2 bytes */
    assert_int_equal(info->kv_bytes_per_token, 64);
    for (; cn_inspect_get_tensor(in, n, &t); n++) {
        bytes += t.n_bytes;
        if (strcmp(t.name, "token_embd.weight") == 0) {
            assert_string_equal(t.type, "Q8_0");
            assert_int_equal(t.n_dims, 2);
            assert_int_equal(t.ne[0], 32);
            assert_int_equal(t.ne[1], 64);
            assert_int_equal(t.n_bytes, 64 * 34);
            assert_int_equal(t.part, 0);
        }
    }
    assert_int_equal(n, info->n_tensors);
    assert_int_equal(bytes, info->tensor_bytes);
    assert_false(cn_inspect_get_tensor(in, -1, &t));
    for (n = 0; cn_inspect_get_key(in, n, &k); n++) {
        if (strcmp(k.key, "tokenizer.ggml.tokens") == 0) {
            assert_string_equal(k.type, "array of string");
            assert_int_equal(k.n, 64);
            assert_memory_equal(k.value, "<unk>, <s>, </s>, ", 18);
            assert_string_equal(k.value + strlen(k.value) - 5, ", ...");
            tokens++;
        } else if (strcmp(k.key, "llama.attention.head_count_kv") == 0) {
            assert_string_equal(k.type, "u32");
            assert_string_equal(k.value, "2");
        } else if (strcmp(k.key, "general.architecture") == 0) {
            assert_string_equal(k.type, "string");
            assert_string_equal(k.value, "llama");
        }
    }
    assert_int_equal(n, info->n_keys);
    assert_int_equal(tokens, 1);
    cn_inspect_close(in);
}

/* ---- the validator over the corrupt files ------------------------------------------------- */

static void corrupt_files_are_found(void **state)
{
    char line[512], path[160];
    int n_bad = 0, n_good = 0;
    FILE *csv = fopen("tests/fixtures/bad/bad.csv", "r");
    (void)state;
    assert_non_null(csv);
    assert_non_null(fgets(line, sizeof line, csv));
    while (fgets(line, sizeof line, csv)) {
        struct cn_inspect *in = NULL;
        struct cn_error err = { "" };
        char *comma = strchr(line, ',');
        /* the last but one field: no later one is quoted */
        char *expected = strrchr(line, ',');
        assert_non_null(comma);
        while (expected > line && expected[-1] != ',')
            expected--;
        snprintf(path, sizeof path, "tests/fixtures/bad/%.*s", (int)(comma - line), line);
        enum cn_status status = cn_inspect_open(path, &in, &err);
        if (status == CN_OK)
            status = cn_inspect_check(in, NULL, NULL, &err);
        cn_inspect_close(in);
        if (strncmp(expected, "error,", 6) == 0) {
            if (status == CN_OK)
                fail_msg("%s passes", path);
            if (strncmp(err.text, path, strlen(path)) != 0 || strchr(err.text, '\n'))
                fail_msg("%s: the message is \"%s\"", path, err.text);
            n_bad++;
        } else if (strncmp(expected, "load,", 5) == 0) {
            if (status != CN_OK)
                fail_msg("%s", err.text);
            n_good++;
        }
    }
    fclose(csv);
    assert_int_equal(n_good, 6);
    assert_int_equal(n_bad, 117);
}

static bool stop_at_half(void *user, double done, double total)
{
    double *furthest = user;
    assert_true(done >= *furthest && done <= total);
    *furthest = done;
    return done < total / 2;
}

static void check_can_be_cancelled(void **state)
{
    struct cn_inspect *in = open_file("tests/fixtures/bad/good-f16.gguf");
    struct cn_error err;
    double furthest = 0;
    (void)state;
    assert_int_equal(cn_inspect_check(in, stop_at_half, &furthest, &err), CN_ERR_CANCELLED);
    assert_true(furthest > 0 && furthest < (double)cn_inspect_get_info(in)->tensor_bytes);
    cn_inspect_close(in);
}

/* Files of other kinds and vocabularies from the shared test data, where it is. */
static void vocabularies_are_described(void **state)
{
    static const char *const names[] = { "gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2" };
    int n = 0;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64], path[512];
        struct cn_error err;
        snprintf(name, sizeof name, "fixtures/tokenizer/ggml-vocab-%s.gguf", names[i]);
        if (!shared_data(path, sizeof path, name))
            continue;
        struct cn_inspect *in = open_file(path);
        if (cn_inspect_check(in, NULL, NULL, &err) != CN_OK)
            fail_msg("%s", err.text);
        assert_true(cn_inspect_get_info(in)->n_vocab >= 32000);
        assert_int_equal(cn_inspect_get_info(in)->n_params, 0);
        cn_inspect_close(in);
        n++;
    }
    if (n == 0)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_is_described),         cmocka_unit_test(lists_are_complete),
        cmocka_unit_test(corrupt_files_are_found),    cmocka_unit_test(check_can_be_cancelled),
        cmocka_unit_test(vocabularies_are_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "engine/carnot.h"
#include "tests/shared_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct cn_model *open_vocab(const char *path)
{
    const struct cn_model_options options = { .vocab_only = true };
    struct cn_model *model;
    struct cn_error err;
    if (cn_model_open(path, &options, &model, &err) != CN_OK)
        fail_msg("%s", err.text);
    return model;
}

static const struct cn_chat_message talk[] = {
    {.role = "user", .content = "Hi<|endoftext|>", .n_content = 15}
};

static void test_without_template(void **state)
{
    (void)state;
    struct cn_model *model = open_vocab("models/prose-8m-f16.gguf");
    int32_t *ids;
    size_t n;
    char *text;
    struct cn_error err;
    assert_false(cn_chat_has_template(model));
    assert_int_equal(cn_chat_format(model, NULL, talk, 1, true, &text, &n, &err),
                     CN_ERR_UNSUPPORTED);
    assert_int_equal(cn_chat_tokenize(model, NULL, talk, 1, true, &ids, &n, &err),
                     CN_ERR_UNSUPPORTED);
    assert_int_equal(cn_chat_format(model, "nosuch", talk, 1, true, &text, &n, &err),
                     CN_ERR_ARGUMENT);
    assert_int_equal(cn_chat_tokenize(model, "olmoe", talk, 1, true, &ids, &n, &err), CN_OK);
    assert_int_equal(ids[0], cn_model_get_info(model)->bos);
    for (size_t i = 1; i < n; i++)
        assert_int_not_equal(ids[i], 0); /* the mark in the message is no token */
    assert_int_equal(cn_detokenize(model, ids, n, false, &text, &n, &err), CN_OK);
    assert_string_equal(text, "<|user|>\nHi<|endoftext|>\n<|assistant|>\n");
    assert_int_equal(n, strlen(text));
    free(text);
    free(ids);
    /* eos_token is this model's. */
    static const struct cn_chat_message reply[] = {
        {.role = "assistant", .content = "Yes", .n_content = 3}
    };
    assert_int_equal(cn_chat_format(model, "zephyr-eos", reply, 1, false, &text, &n, &err), CN_OK);
    assert_string_equal(text, "<|assistant|>\nYes<|endoftext|>\n");
    free(text);
    assert_int_equal(cn_chat_format(NULL, "zephyr-eos", reply, 1, false, &text, &n, &err), CN_OK);
    assert_string_equal(text, "<|assistant|>\nYes</s>\n");
    free(text);
    assert_int_equal(cn_chat_format(NULL, NULL, reply, 1, false, &text, &n, &err),
                     CN_ERR_UNSUPPORTED);
    cn_model_close(model);
}

static void test_own_template(void **state)
{
    (void)state;
    char path[512];
    if (!shared_data(path, sizeof path, "fixtures/tokenizer/ggml-vocab-phi-3.gguf"))
        skip();
    struct cn_model *model = open_vocab(path);
    assert_true(cn_chat_has_template(model));
    int32_t *ids;
    size_t n;
    assert_int_equal(cn_chat_tokenize(model, NULL, talk, 1, true, &ids, &n, NULL), CN_OK);
    assert_int_equal(ids[0], 1);     /* <s> */
    assert_int_equal(ids[1], 32010); /* <|user|> */
    assert_int_equal(ids[n - 2], 32007);
    assert_int_equal(ids[n - 1], 32001);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(ids[i], 32000); /* <|endoftext|> */
    free(ids);
    cn_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_template),
        cmocka_unit_test(test_own_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * What is said, token by token: stops, characters in pieces, thinking, calls of tools.
 */
#include "serve/speech.h"
#include "serve/tool_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_model *model;

static int open_model(void **state)
{
    const struct cn_model_options o = { .vocab_only = true };
    (void)state;
    return cn_model_open("models/prose-8m-f16.gguf", &o, &model, NULL) == CN_OK ? 0 : -1;
}

static int close_model(void **state)
{
    (void)state;
    cn_model_close(model);
    return 0;
}

static struct cn_tool_marks marks_of(const char *jinja)
{
    const struct cn_chat_options o = { .template_text = jinja, .n_template_text = strlen(jinja) };
    struct cn_tool_marks marks;
    cn_tool_marks_learn(model, &o, &marks);
    return marks;
}

static struct cn_chat *chat_of(const char *jinja)
{
    struct cn_chat *chat = NULL;
    struct cn_error err = { "" };
    const struct cn_chat_options o = { .template_text = jinja, .n_template_text = strlen(jinja) };
    if (cn_chat_create(model, &o, &chat, &err) != CN_OK)
        fail_msg("%s", err.text);
    return chat;
}

/* Templates in two ways of writing calls. */
static const char hermes[] =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", "
    "\"arguments\": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
static const char llama[] =
    "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% for c in m.tool_calls or [] %}{\"name\": \"{{ c.function.name }}\", \"parameters\": "
    "{{ c.function.arguments | tojson }}}{% endfor %}{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}";
/* Says the text token by token. */
static void say(struct cn_speech *s, const char *text)
{
    int32_t *tokens;
    size_t n;
    assert_int_equal(cn_tokenize(model, text, strlen(text), 0, &tokens, &n, NULL), CN_OK);
    assert_true(n > 1);
    for (size_t i = 0; i < n && !s->stopped; i++)
        cn_speech_token(s, tokens[i]);
    free(tokens);
    cn_speech_end(s);
    assert_false(cn_speech_failed(s));
}

static void expect_said(const struct cn_json_text *text, const char *expected)
{
    assert_string_equal(text->p ? text->p : "", expected);
}

static void test_stops(void **state)
{
    const struct cn_request r = {
        .stops = {{ "of about", 8 }, { "about f", 7 }},
          .n_stops = 2
    };
    struct cn_speech s;
    (void)state;
    cn_speech_begin(&s, model, NULL, &r, NULL, NULL, 0);
    say(&s, "He was a man of about forty");
    expect_said(&s.content, "He was a man ");
    assert_true(s.stopped);
    cn_speech_free(&s);

    /* What might have been the beginning of one is told at the end. */
    cn_speech_begin(&s, model, NULL, &r, NULL, NULL, 0);
    say(&s, "He was a man of ab");
    expect_said(&s.content, "He was a man of ab");
    assert_false(s.stopped);
    cn_speech_free(&s);
}

/* No piece ends within a character. */
static void test_characters_are_whole(void **state)
{
    const struct cn_request r = { .n_stops = 0 };
    static const char text[] = "caf\xc3\xa9 \xf0\x9f\x98\x80!";
    struct cn_speech s;
    int32_t *tokens;
    size_t n, pieces = 0;
    (void)state;
    assert_int_equal(cn_tokenize(model, text, strlen(text), 0, &tokens, &n, NULL), CN_OK);
    cn_speech_begin(&s, model, NULL, &r, NULL, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        const size_t before = s.content.n;
        cn_speech_token(&s, tokens[i]);
        pieces += s.content.n > before;
        if (s.content.n > before)
            assert_int_not_equal((unsigned char)s.content.p[before] & 0xc0, 0x80);
    }
    cn_speech_end(&s);
    expect_said(&s.content, text);
    assert_true(pieces < n);
    cn_speech_free(&s);
    free(tokens);
}

static void test_calls(void **state)
{
    static const char said[] = "I ask.<tool_call>\n{\"name\": \"weather\", \"arguments\": "
                               "{\"city\": \"O}slo\"}}\n</tool_call>\n<tool_call>\n{\"name\": "
                               "\"time\", \"arguments\": {}}\n</tool_call>";
    const struct cn_request r = { .n_stops = 0 };
    const struct cn_tool_marks marks = marks_of(hermes);
    struct cn_chat *chat = chat_of(hermes);
    struct cn_speech s;
    struct cn_json_text calls = { 0 };
    (void)state;
    cn_speech_begin(&s, model, chat, &r, &marks, NULL, 0);
    say(&s, said);
    expect_said(&s.content, "I ask.");
    assert_true(s.calling);
    assert_int_equal(cn_tool_calls_write(&marks, &r, s.calls.p, s.calls.n, "call", true, &calls),
                     2);
    assert_string_equal(
        calls.p, "[{\"index\": 0, \"id\": \"call_0\", \"type\": \"function\", \"function\": "
                 "{\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"O}slo\\\"}\"}}, "
                 "{\"index\": 1, \"id\": \"call_1\", \"type\": \"function\", \"function\": "
                 "{\"name\": \"time\", \"arguments\": \"{}\"}}]");
    cn_json_text_free(&calls);
    /* Other objects are no calls. */
    assert_int_equal(
        cn_tool_calls_write(&marks, &r, "{\"a\": 1} {\"name\"", 16, "x", false, &calls), 0);
    assert_int_equal(calls.n, 0);
    cn_speech_free(&s);
    cn_chat_free(chat);
}

/* Where there is no mark the brace that an answer begins with is one. */
static void test_calls_without_a_mark(void **state)
{
    const struct cn_request r = { .n_stops = 0 };
    const struct cn_tool_marks marks = marks_of(llama);
    struct cn_chat *chat = chat_of(llama);
    struct cn_speech s;
    (void)state;
    cn_speech_begin(&s, model, chat, &r, &marks, NULL, 0);
    say(&s, "\n{\"name\": \"time\", \"parameters\": {}}");
    assert_true(s.calling);
    cn_speech_free(&s);
    cn_speech_begin(&s, model, chat, &r, &marks, NULL, 0);
    say(&s, "It is {so}.");
    assert_false(s.calling);
    expect_said(&s.content, "It is {so}.");
    cn_speech_free(&s);
    cn_chat_free(chat);
}

static void test_thinking(void **state)
{
    static const char jinja[] =
        "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}";
    const struct cn_request r = { .stops = { { "hm", 2 } }, .n_stops = 1 };
    struct cn_chat *chat = chat_of(jinja);
    struct cn_speech s;
    (void)state;
    cn_speech_begin(&s, model, chat, &r, NULL, NULL, 0);
    say(&s, "<think>Is it hm?</think>\n\nIt is so.");
    expect_said(&s.reasoning, "Is it hm?");
    expect_said(&s.content, "It is so.");
    assert_true(s.thinking.n_tokens > 0);
    cn_speech_free(&s);
    cn_chat_free(chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops),    cmocka_unit_test(test_characters_are_whole),
        cmocka_unit_test(test_calls),    cmocka_unit_test(test_calls_without_a_mark),
        cmocka_unit_test(test_thinking),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

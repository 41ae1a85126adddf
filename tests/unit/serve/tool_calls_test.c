/* SPDX-License-Identifier: MIT
 *
 * The marks of calls that templates show, and calls read back: what a template writes of calls is
 * what is read, for made-up templates of every form and for those of public models.
 */
#include "serve/tool_calls.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "tests/shared_data.h"

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

/* ---- templates ------------------------------------------------------------------------------- */

#define TURNS(call)                                                                                \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% for c in m.tool_calls or " \
    "[] %}" call "{% endfor %}<|im_end|>\n{% endfor %}"                                            \
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
#define NAME   "{{ c.function.name }}"
#define JSON   "{{ c.function.arguments | tojson }}"
#define HERMES "<tool_call>\n{\"name\": \"" NAME "\", \"arguments\": " JSON "}\n</tool_call>"
#define EACH(field)                                                                              \
    "{% for k, v in c.function.arguments.items() %}{% set v = v if v is string else v | tojson " \
    "%}" field "{% endfor %}"

static const struct {
    const char *jinja;
    struct cn_tool_marks marks;
} made_up[] = {
    {TURNS(HERMES),
     { CN_CALL_OBJECT, .open = "<tool_call>", .name = "name", .arguments = "arguments" }                                                                                                     },
    { TURNS("[TOOL_CALLS] [{\"name\": \"" NAME "\", \"arguments\": " JSON
            ", \"id\": \"{{ c.id }}\"}]"),
     { CN_CALL_OBJECT, .open = "[TOOL_CALLS]", .name = "name", .arguments = "arguments" }                                                                                                    },
    { TURNS("{\"name\": \"" NAME "\", \"parameters\": " JSON "}"),
     { CN_CALL_OBJECT, .open = "", .name = "name", .arguments = "parameters" }                                                                                                               },
 /* What is thought before is written of answers alone, and begins like the mark of calls. */
    { "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and not "
      "m.tool_calls %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}"
      "{% for c in m.tool_calls or [] %}" HERMES "{% endfor %}<|im_end|>\n{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}",                   { CN_CALL_OBJECT, .open = "<tool_call>", .name = "name", .arguments = "arguments" }},
    { TURNS("[TOOL_CALLS]" NAME "[CALL_ID]{{ c.id }}[ARGS]" JSON),
     { CN_CALL_NAMED, .open = "[TOOL_CALLS]", .before_name = "[TOOL_CALLS]" }                                                                                                                },
    { TURNS("{% if loop.first %}<|calls|>{% endif %}<|call|>" NAME "<|sep|>" JSON "<|end_call|>"
            "{% if loop.last %}<|end_calls|>{% endif %}"),
     { CN_CALL_NAMED, .open = "<|calls|>", .before_name = "<|call|>" }                                                                                                                       },
    { TURNS("<tool_call>\n<function=" NAME
            ">\n" EACH("<parameter={{ k }}>\n{{ v }}\n</parameter>\n") "</function>\n</tool_call>"),
     { CN_CALL_FIELDS, .open = "<tool_call>",
        .before_name = "<function=", .before_key = "<parameter=", .after_key = ">",
        .before_value = ">", .after_value = "</parameter>", .own_lines = true }                                                                                                              },
    { TURNS("<tool_call>" NAME "\n" EACH("<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v }}"
                                         "</arg_value>\n") "</tool_call>"),
     { CN_CALL_FIELDS, .open = "<tool_call>", .before_name = "<tool_call>",
        .before_key = "<arg_key>", .after_key = "</arg_key>", .before_value = "<arg_value>",
        .after_value = "</arg_value>" }                                                                                                                                                      },
 /* What is not read back: Python, and words that are no marks. */
    { TURNS("<|call|>[" NAME "({% for k, v in c.function.arguments.items() %}{{ k }}='{{ v }}'"
            "{% if not loop.last %}, {% endif %}{% endfor %})]"),
     { .form = CN_CALL_NONE }                                                                                                                                                                },
    { TURNS("call " NAME " with " JSON),                                                                  { .form = CN_CALL_NONE }                                                           },
    { TURNS(""),                                                                                          { .form = CN_CALL_NONE }                                                           },
};

enum { N_MADE_UP = sizeof made_up / sizeof *made_up };

static void expect_marks(const struct cn_tool_marks *found, const struct cn_tool_marks *expected)
{
    assert_int_equal(found->form, expected->form);
    assert_string_equal(found->open, expected->open);
    assert_string_equal(found->name, expected->name);
    assert_string_equal(found->arguments, expected->arguments);
    assert_string_equal(found->before_name, expected->before_name);
    assert_string_equal(found->before_key, expected->before_key);
    assert_string_equal(found->after_key, expected->after_key);
    assert_string_equal(found->before_value, expected->before_value);
    assert_string_equal(found->after_value, expected->after_value);
    assert_int_equal(found->own_lines, expected->own_lines);
}

static void test_marks_are_learnt(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MADE_UP; i++) {
        const struct cn_chat_options o = { .template_text = made_up[i].jinja,
                                           .n_template_text = strlen(made_up[i].jinja) };
        struct cn_tool_marks marks;
        cn_tool_marks_learn(model, &o, &marks);
        expect_marks(&marks, &made_up[i].marks);
    }
    /* A built-in template has no tools. */
    const struct cn_chat_options o = { .template_name = "chatml" };
    struct cn_tool_marks marks;
    cn_tool_marks_learn(model, &o, &marks);
    assert_int_equal(marks.form, CN_CALL_NONE);
}

/* ---- what a template writes is read ---------------------------------------------------------- */

#define WEATHER                                                                             \
    "{\"city\": \"Oslo\", \"days\": 3, \"exact\": true, \"zip\": \"0150\", \"at\": [1, 2]," \
    " \"note\": \"a \\\"b\\\"}\\n c\"}"

#define TOOLS(zip)                                                                                 \
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"description\": "        \
    "\"It\", "                                                                                     \
    "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\", "    \
    "\"description\": \"c\"}, \"days\": {\"type\": \"integer\", \"description\": \"d\"}, "         \
    "\"exact\": {\"type\": \"boolean\", \"description\": \"e\"}, \"zip\": {\"type\": " zip         \
    ", \"description\": \"z\"}, \"at\": {\"type\": \"array\", \"items\": {\"type\": \"number\"}, " \
    "\"description\": \"a\"}, \"note\": {\"type\": \"string\", \"description\": \"n\"}}, "         \
    "\"required\": [\"city\"]}}}]"

static char tools[] = TOOLS("\"string\"");
static char tools_of_lists[] = TOOLS("[\"null\", \"string\"]");

static struct cn_json *parse(const char *text, size_t n)
{
    struct cn_json *json;
    struct cn_error err = { "" };
    if (cn_json_parse(text, n, "json", &json, &err) != CN_OK)
        fail_msg("%s: %.*s", err.text, (int)n, text);
    return json;
}

static bool same(const struct cn_json_value *a, const struct cn_json_value *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type || a->n_children != b->n_children || a->boolean != b->boolean ||
        a->n_string != b->n_string || (a->n_string && memcmp(a->string, b->string, a->n_string)))
        return false;
    const struct cn_json_value *y = b->first;
    for (const struct cn_json_value *x = a->first; x; x = x->next, y = y->next)
        if (!same(x, a->type == CN_JSON_OBJECT ? cn_json_get(b, x->key) : y))
            return false;
    return true;
}

/* Whether calls[i] is of `name` with these arguments. */
static void expect_call(const struct cn_json_value *call, const char *name, const char *arguments)
{
    const struct cn_json_value *function = cn_json_get(call, "function");
    const struct cn_json_value *given = cn_json_get(function, "arguments");
    assert_non_null(given);
    assert_string_equal(cn_json_get(function, "name")->string, name);
    struct cn_json *found = parse(given->string, given->n_string);
    struct cn_json *expected = parse(arguments, strlen(arguments));
    if (!same(cn_json_root(expected), cn_json_root(found)))
        fail_msg("%s", given->string);
    cn_json_free(expected);
    cn_json_free(found);
}

/* Asks the template to write a call, and reads it. False: its calls are not read. */
static bool goes_round(const char *jinja, size_t n, const char *name)
{
    static const char call[] =
        "{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{\"id\": \"call00000\", "
        "\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"arguments\": " WEATHER
        "}}]}";
    const struct cn_chat_message messages[] = {
        {.role = "user",       .content = "Cold?", .n_content = 5           },
        { .role = "assistant", .json = call,       .n_json = sizeof call - 1},
    };
    const struct cn_chat_options o = {
        .template_text = jinja, .n_template_text = n, .tools = tools, .n_tools = sizeof tools - 1
    };
    const struct cn_request request = { .tools = tools, .n_tools = sizeof tools - 1 };
    struct cn_tool_marks marks;
    struct cn_chat *chat;
    struct cn_error err = { "" };
    struct cn_json_text out = { 0 };
    char *text;
    size_t n_text;
    cn_tool_marks_learn(model, &o, &marks);
    if (marks.form == CN_CALL_NONE)
        return false;
    assert_int_equal(cn_chat_create(model, &o, &chat, &err), CN_OK);
    if (cn_chat_text(chat, messages, 2, false, &text, &n_text, &err) != CN_OK)
        fail_msg("%s: %s", name, err.text);
    /* The system's turn tells of the same marks; the assistant's is the last. */
    const char *turn = strstr(text, "Cold?"), *from = strstr(turn, *marks.open ? marks.open : "{");
    assert_non_null(from);
    print_message("%s: form %d, %s\n", name, marks.form, marks.open);
    assert_int_equal(
        cn_tool_calls_write(&marks, &request, from, strlen(from), "call_x", true, &out), 1);
    struct cn_json *calls = parse(out.p, out.n);
    expect_call(cn_json_root(calls)->first, "get_weather", WEATHER);
    cn_json_free(calls);
    cn_json_text_free(&out);
    free(text);
    cn_chat_free(chat);
    return true;
}

static void test_made_up_templates_go_round(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MADE_UP; i++)
        assert_int_equal(goes_round(made_up[i].jinja, strlen(made_up[i].jinja), "made up"),
                         made_up[i].marks.form != CN_CALL_NONE);
}

static void test_public_templates_go_round(void **state)
{
    char folder[512], path[1024];
    static char jinja[1 << 20];
    size_t n_read_back = 0;
    struct dirent *entry;
    (void)state;
    if (!shared_data(folder, sizeof folder, "fixtures/chat2/templates"))
        skip();
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (!strstr(entry->d_name, ".jinja"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        const size_t n = fread(jinja, 1, sizeof jinja, f);
        fclose(f);
        n_read_back += goes_round(jinja, n, entry->d_name);
    }
    closedir(dir);
    print_message("calls of %zu templates are read back\n", n_read_back);
    assert_true(n_read_back >= 40);
}

/* ---- answers that are not what templates write ----------------------------------------------- */

static size_t read_calls(size_t i, const char *text, bool one_call, struct cn_json_text *out)
{
    const struct cn_request request = { .tools = tools_of_lists,
                                        .n_tools = sizeof tools_of_lists - 1,
                                        .one_call = one_call };
    return cn_tool_calls_write(&made_up[i].marks, &request, text, strlen(text), "call", false, out);
}

static void test_several_calls(void **state)
{
    static const char *const texts[N_MADE_UP] = {
        [0] = "<tool_call>\n{\"name\": \"a\", \"arguments\": "
              "{}}\n</tool_call>\n<tool_call>{\"name\": "
              "\"b\", \"arguments\": {}}</tool_call>",
        [4] = "[TOOL_CALLS]a[ARGS]{}[TOOL_CALLS]b[CALL_ID]123456789[ARGS]{}",
        [5] = "<|calls|><|call|>a<|sep|>{}<|end_call|><|call|>b<|sep|>{}<|end_call|><|end_calls|>",
        [6] = "<tool_call>\n<function=a>\n</function>\n</tool_call>\n<tool_call>\n<function=b>\n"
              "</function>\n</tool_call>",
        [7] = "<tool_call>a\n</tool_call>\n<tool_call>b\n</tool_call>",
    };
    (void)state;
    for (size_t i = 0; i < N_MADE_UP; i++) {
        struct cn_json_text out = { 0 };
        if (!texts[i])
            continue;
        assert_int_equal(read_calls(i, texts[i], false, &out), 2);
        struct cn_json *calls = parse(out.p, out.n);
        expect_call(cn_json_root(calls)->first, "a", "{}");
        expect_call(cn_json_root(calls)->first->next, "b", "{}");
        cn_json_free(calls);
        cn_json_text_free(&out);
        assert_int_equal(read_calls(i, texts[i], true, &out), 1);
        cn_json_text_free(&out);
    }
}

/* What was cut off, or never was a call, is none. */
static void test_no_calls(void **state)
{
    static const struct {
        size_t form;
        const char *text;
    } cases[] = {
        {0,  "<tool_call>\n{\"a\": 1}</tool_call>"                                               },
        { 0, "<tool_call>{\"name\": \"a\", \"arguments\": {"                                     },
        { 4, "[TOOL_CALLS]a[ARGS]{\"b\": "                                                       },
        { 4, "[TOOL_CALLS]a[ARGS]{b}"                                                            },
        { 4, "[TOOL_CALLS] {}"                                                                   },
        { 4, "[TOOL_CALLS]"                                                                      },
        { 6, "<tool_call>\n<function=a>\n<parameter=b>\n1"                                       },
        { 6, "<tool_call>\n<function=a>\n<parameter=b"                                           },
        { 6, "<tool_call>\n<function=>\n</function>"                                             },
        { 7, "<tool_call>a\n<arg_key>b</arg_key>\n<arg_key>c</arg_key>\n<arg_value>1</arg_value>"},
        { 7, "<tool_call>"                                                                       },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_json_text out = { 0 };
        assert_int_equal(read_calls(cases[i].form, cases[i].text, false, &out), 0);
        assert_int_equal(out.n, 0);
        cn_json_text_free(&out);
    }
}

/* What the tools do not say is JSON if it can be. */
static void test_types_of_arguments(void **state)
{
    struct cn_json_text out = { 0 };
    (void)state;
    assert_int_equal(read_calls(6,
                                "<function=get_weather>\n<parameter=zip>\n0150\n</parameter>\n"
                                "<parameter=exact>\nTrue\n</parameter>\n<parameter=city>\n\n"
                                "</parameter>\n<parameter=other>\n2\n</parameter>\n"
                                "<parameter=marked>\n\xef\xbb\xbf" /* a byte order mark */
                                "[4]\n</parameter>\n"
                                "<parameter=days>\na few\n</parameter>\n</function>",
                                false, &out),
                     1);
    struct cn_json *calls = parse(out.p, out.n);
    expect_call(cn_json_root(calls)->first, "get_weather",
                "{\"zip\": \"0150\", \"exact\": true, \"city\": \"\", \"other\": 2, "
                "\"marked\": [4], \"days\": \"a few\"}");
    cn_json_free(calls);
    cn_json_text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_are_learnt),
        cmocka_unit_test(test_made_up_templates_go_round),
        cmocka_unit_test(test_public_templates_go_round),
        cmocka_unit_test(test_several_calls),
        cmocka_unit_test(test_no_calls),
        cmocka_unit_test(test_types_of_arguments),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

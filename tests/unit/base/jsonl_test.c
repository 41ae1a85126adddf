/* SPDX-License-Identifier: MIT */
#include "base/jsonl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    char keys[256];
    struct cn_json_value last;
    char string[256];
};

static void member(void *user, const char *key, const struct cn_json_value *v)
{
    struct seen *s = user;
    strncat(s->keys, key, sizeof s->keys - strlen(s->keys) - 2);
    strcat(s->keys, " ");
    s->last = *v;
    if (v->kind == CN_JSON_STRING)
        snprintf(s->string, sizeof s->string, "%s", v->string);
}

/* The line is given as a heap block of its exact size, so that a sanitizer sees a read beyond it.
 */
static const char *parse(const char *text, struct seen *s)
{
    char *line = strdup(text);
    assert_non_null(line);
    memset(s, 0, sizeof *s);
    const char *fault = cn_json_line(line, member, s);
    free(line);
    return fault;
}

static void test_sound_lines(void **state)
{
    (void)state;
    struct seen s;
    assert_null(parse("{}", &s));
    assert_null(parse("\xef\xbb\xbf{\"a\":1}\r\n", &s));
    assert_string_equal(s.keys, "a ");
    assert_null(parse(" { \"a\" : 1 , \"b\" : [1,{\"x\":\"]}\\\"\"}] , \"c\":null } \n", &s));
    assert_string_equal(s.keys, "a b c ");
    assert_int_equal(s.last.kind, CN_JSON_NULL);
    assert_null(parse("{\"t\":1700000000500123457}", &s));
    assert_true(s.last.is_integer);
    assert_int_equal(s.last.integer, 1700000000500123457);
    assert_null(parse("{\"t\":-1.5e3}", &s));
    assert_false(s.last.is_integer);
    assert_true(s.last.number == -1500);
    assert_null(parse("{\"t\":true}", &s));
    assert_int_equal(s.last.kind, CN_JSON_BOOL);
    assert_null(parse("{\"a\\u00e9\\n\":\"q\\\"\\\\\\u20ac\"}", &s));
    assert_string_equal(s.keys, "a\xc3\xa9\n ");
    assert_string_equal(s.string, "q\"\\\xe2\x82\xac");
}

static void test_faulty_lines(void **state)
{
    (void)state;
    static const char *const faulty[] = {
        "",
        "[]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":nan}",
        "{\"a\":0x10}",
        "{\"a\":1e999}",
        "{\"a\":--1}",
        "{\"a\":\"x",
        "{\"a\":\"\\q\"}",
        "{\"a\":\"\\u12",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":[1}",
        "{\"a\":[\"x}",
        "{\"a\":1} x",
        "{\"a\":1}{",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":\"\t\"}",
    };
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        struct seen s;
        if (!parse(faulty[i], &s))
            fail_msg("accepted: %s", faulty[i]);
    }
    char deep[256] = "{\"a\":";
    memset(deep + 5, '[', 100);
    struct seen s;
    assert_non_null(parse(deep, &s));
}

static void test_written_lines_read_back(void **state)
{
    (void)state;
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    fputs("{\"k\":", f);
    cn_json_string(f, "tab\there \"and\" \\ there");
    fputs("}", f);
    fclose(f);
    struct seen s;
    assert_null(parse(text, &s));
    assert_string_equal(s.string, "tab\there \"and\" \\ there");
    free(text);
    f = open_memstream(&text, &n);
    assert_non_null(f);
    cn_json_number(f, (double)NAN);
    fputc(' ', f);
    cn_json_number(f, (double)INFINITY);
    fputc(' ', f);
    cn_json_number(f, 0.25);
    fputc(' ', f);
    cn_json_string(f, NULL);
    fclose(f);
    assert_string_equal(text, "null null 0.25 null");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_lines),
        cmocka_unit_test(test_faulty_lines),
        cmocka_unit_test(test_written_lines_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

/* The table, printed; the caller frees the text. */
static char *print(const struct cn_table *t, enum cn_table_format format)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    assert_true(cn_table_print(t, format, out));
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect(const struct cn_table *t, enum cn_table_format format, const char *expected)
{
    char *text = print(t, format);
    assert_string_equal(text, expected);
    free(text);
}

/* Two rows with every kind of cell. */
static struct cn_table *sample(void)
{
    struct cn_table *t = cn_table_create("runs");
    assert_non_null(t);
    cn_table_column(t, "model", "model", 0);
    cn_table_column(t, "n", "n", 0);
    cn_table_column(t, "tps", "t/s", 2);
    cn_table_column(t, "joules", "J", 3);
    cn_table_column(t, "ok", "ok", 0);
    cn_table_column(t, "hidden", NULL, -1);
    cn_table_column(t, "detail", "detail", -1);
    cn_table_row(t);
    cn_table_str(t, "model", "a,\"b\"");
    cn_table_i64(t, "n", -5);
    cn_table_f64(t, "tps", 1234.5678);
    cn_table_null(t, "joules", "unsupported");
    cn_table_bool(t, "ok", true);
    cn_table_f64(t, "hidden", 0.1);
    cn_table_json(t, "detail", "{\"x\":\n[1, 2]}");
    cn_table_row(t);
    cn_table_str(t, "model", "b");
    cn_table_i64(t, "n", INT64_C(9007199254740993)); /* 2^53 + 1: no double has it */
    cn_table_f64(t, "tps", 2);
    cn_table_f64(t, "joules", 0.5);
    cn_table_bool(t, "ok", false);
    return t;
}

static void test_md(void **state)
{
    (void)state;
    struct cn_table *t = sample();
    assert_int_equal(cn_table_n_rows(t), 2);
    expect(t, CN_TABLE_MD,
           "| model |                n |     t/s |           J | ok    | detail        |\n"
           "| ----- | ---------------: | ------: | ----------: | ----- | ------------- |\n"
           "| a,\"b\" |               -5 | 1234.57 | unsupported | true  | {\"x\": [1, 2]} |\n"
           "| b     | 9007199254740993 |    2.00 |       0.500 | false | -             |\n");
    cn_table_free(t);
}

/* Significant digits, for what may be of any size. */
static void test_significant_digits(void **state)
{
    (void)state;
    static const double values[] = { 0.000123456, 0.0123456, 1.23456, 123.456, 12345.6, 0, -0.5 };
    struct cn_table *t = cn_table_create("t");
    assert_non_null(t);
    cn_table_column(t, "j", "J/token", CN_TABLE_SIGNIFICANT + 3);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cn_table_row(t);
        cn_table_f64(t, "j", values[i]);
    }
    expect(t, CN_TABLE_MD,
           "|  J/token |\n"
           "| -------: |\n"
           "| 0.000123 |\n"
           "|   0.0123 |\n"
           "|     1.23 |\n"
           "|      123 |\n"
           "|    12346 |\n"
           "|     0.00 |\n"
           "|   -0.500 |\n");
    cn_table_free(t);
}

static void test_csv(void **state)
{
    (void)state;
    struct cn_table *t = sample();
    cn_table_row(t);
    cn_table_str(t, "model", "");
    cn_table_str(t, "detail", "two\nlines");
    expect(t, CN_TABLE_CSV,
           "model,n,tps,joules,ok,hidden,detail\n"
           "\"a,\"\"b\"\"\",-5,1234.5678,,true,0.1,\"{\"\"x\"\":\n[1, 2]}\"\n"
           "b,9007199254740993,2,0.5,false,,\n"
           "\"\",,,,,,\"two\nlines\"\n");
    cn_table_free(t);
}

static void test_json(void **state)
{
    (void)state;
    struct cn_table *t = sample();
    const char *first =
        "{\"model\": \"a,\\\"b\\\"\", \"n\": -5, \"tps\": 1234.5678, \"joules\": null, "
        "\"ok\": true, \"hidden\": 0.1, \"detail\": {\"x\": [1, 2]}}";
    const char *second = "{\"model\": \"b\", \"n\": 9007199254740993, \"tps\": 2, \"joules\": 0.5, "
                         "\"ok\": false, \"hidden\": null, \"detail\": null}";
    char array[1024], lines[1024];
    snprintf(array, sizeof array, "[\n  %s,\n  %s\n]\n", first, second);
    snprintf(lines, sizeof lines, "%s\n%s\n", first, second);
    expect(t, CN_TABLE_JSON, array);
    expect(t, CN_TABLE_JSONL, lines);
    cn_table_free(t);
}

static void test_json_strings(void **state)
{
    (void)state;
    struct cn_table *t = cn_table_create("t");
    cn_table_column(t, "s", "s", -1);
    static const struct {
        const char *value, *json;
    } cases[] = {
        {"tab\tline\nbell\a\\",                        "\"tab\\tline\\nbell\\u0007\\\\\""},
        { "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""                                 },
        { "\xff!",                                     "\"\\ufffd!\""                    }, /* never starts a sequence */
        { "\xc0\xaf",                                  "\"\\ufffd\\ufffd\""              }, /* overlong slash */
        { "\xed\xa0\x80",                              "\"\\ufffd\\ufffd\\ufffd\""       }, /* surrogate */
        { "\xf4\x90\x80\x80",                          "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* U+110000 */
        { "cut \xe2\x82",                              "\"cut \\ufffd\\ufffd\""          },
    };
    char expected[2048] = "";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cn_table_row(t);
        cn_table_str(t, "s", cases[i].value);
        size_t n = strlen(expected);
        snprintf(expected + n, sizeof expected - n, "{\"s\": %s}\n", cases[i].json);
    }
    expect(t, CN_TABLE_JSONL, expected);
    cn_table_free(t);
}

static void test_sql(void **state)
{
    (void)state;
    struct cn_table *t = cn_table_create("my\"runs");
    cn_table_column(t, "name", "name", 0);
    cn_table_column(t, "n", "n", 0);
    cn_table_column(t, "x", "x", 0);
    cn_table_column(t, "ok", "ok", 0);
    cn_table_column(t, "never", "never", 0);
    cn_table_row(t);
    cn_table_str(t, "name", "it's");
    cn_table_i64(t, "n", 7);
    cn_table_f64(t, "x", 1e-30);
    cn_table_bool(t, "ok", true);
    cn_table_row(t);
    cn_table_i64(t, "x", 3);
    expect(t, CN_TABLE_SQL,
           "CREATE TABLE IF NOT EXISTS \"my\"\"runs\" (\n"
           "  \"name\" TEXT,\n  \"n\" INTEGER,\n  \"x\" REAL,\n  \"ok\" INTEGER,\n  \"never\" "
           "NUMERIC\n);\n"
           "INSERT INTO \"my\"\"runs\" (\"name\", \"n\", \"x\", \"ok\", \"never\") VALUES "
           "('it''s', 7, 1e-30, 1, NULL);\n"
           "INSERT INTO \"my\"\"runs\" (\"name\", \"n\", \"x\", \"ok\", \"never\") VALUES "
           "(NULL, NULL, 3, NULL, NULL);\n");
    cn_table_free(t);
}

static void test_utf8_width(void **state)
{
    (void)state;
    struct cn_table *t = cn_table_create("t");
    cn_table_column(t, "s", "\xc2\xb5s", -1); /* "µs" */
    cn_table_column(t, "end", "end", -1);
    static const char *const values[] = {
        "\xe6\x97\xa5\xe6\x9c\xac", /* two wide characters: 4 columns */
        "e\xcc\x81",                /* e and a combining accent: 1 */
        "\xce\xb1\xce\xb2",         /* alpha beta: 2 */
        "a|b",                      /* escaped: 4 */
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cn_table_row(t);
        cn_table_str(t, "s", values[i]);
        cn_table_str(t, "end", "x\ny");
    }
    expect(t, CN_TABLE_MD,
           "| \xc2\xb5s   | end |\n"
           "| ---- | --- |\n"
           "| \xe6\x97\xa5\xe6\x9c\xac | x y |\n"
           "| e\xcc\x81    | x y |\n"
           "| \xce\xb1\xce\xb2   | x y |\n"
           "| a\\|b | x y |\n");
    cn_table_free(t);
}

static void test_unknown_is_never_zero(void **state)
{
    (void)state;
    struct cn_table *t = cn_table_create("t");
    cn_table_column(t, "x", "x", 1);
    for (int i = 0; i < 5; i++)
        cn_table_row(t);
    struct cn_table *one = cn_table_create("t");
    cn_table_column(one, "x", "x", 1);
    static const double values[] = { (double)NAN, (double)INFINITY, (double)-INFINITY };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cn_table_row(one);
        cn_table_f64(one, "x", 1); /* overwritten */
        cn_table_f64(one, "x", values[i]);
    }
    cn_table_row(one);
    cn_table_str(one, "x", NULL);
    cn_table_row(one);
    cn_table_null(one, "x", NULL);
    static const enum cn_table_format formats[] = { CN_TABLE_MD, CN_TABLE_CSV, CN_TABLE_JSON,
                                                    CN_TABLE_JSONL, CN_TABLE_SQL };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        char *untouched = print(t, formats[i]);
        expect(one, formats[i], untouched);
        assert_null(strchr(untouched, '0'));
        free(untouched);
    }
    cn_table_free(t);
    cn_table_free(one);
}

static void test_numbers_read_back(void **state)
{
    (void)state;
    static const double values[] = { 0.1,  1.0 / 3, 123456789.123456789, 5e-324, 1e308,
                                     -0.0, 4.35,    1e15 + 0.3,          2.5e-9, 1 + 2e-16 };
    struct cn_table *t = cn_table_create("t");
    cn_table_column(t, "x", "x", -1);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cn_table_row(t);
        cn_table_f64(t, "x", values[i]);
    }
    char *text = print(t, CN_TABLE_CSV), *p = strchr(text, '\n') + 1;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        double got = strtod(p, &p);
        assert_memory_equal(&got, &values[i], sizeof got);
        assert_int_equal(*p++, '\n');
    }
    assert_int_equal(strncmp(text, "x\n0.1\n", 6), 0); /* and the shortest that does */
    free(text);
    cn_table_free(t);
}

static void test_huge_numbers_fit(void **state)
{
    (void)state;
    struct cn_table *t = cn_table_create("t");
    cn_table_column(t, "x", "x", 99);
    cn_table_row(t);
    cn_table_f64(t, "x", -1.7976931348623157e308);
    char *text = print(t, CN_TABLE_MD);
    const char *digits = strstr(text, "-179769313486231570");
    assert_non_null(digits);
    assert_int_equal(strspn(digits, "-0123456789"), 310);
    assert_int_equal(strspn(strchr(digits, '.') + 1, "0"), 20);
    free(text);
    cn_table_free(t);
}

static void test_empty_and_late_columns(void **state)
{
    (void)state;
    struct cn_table *t = cn_table_create("t");
    cn_table_column(t, "a", "a", 0);
    expect(t, CN_TABLE_MD, "| a   |\n| --- |\n");
    expect(t, CN_TABLE_CSV, "a\n");
    expect(t, CN_TABLE_JSON, "[]\n");
    expect(t, CN_TABLE_JSONL, "");
    cn_table_row(t);
    cn_table_i64(t, "a", 1);
    cn_table_column(t, "b", "b", 0);
    cn_table_row(t);
    cn_table_i64(t, "b", 2);
    expect(t, CN_TABLE_JSONL, "{\"a\": 1, \"b\": null}\n{\"a\": null, \"b\": 2}\n");
    cn_table_free(t);
    cn_table_free(NULL);
}

static void test_formats_by_name(void **state)
{
    (void)state;
    static const char *const names[] = { "md", "csv", "json", "jsonl", "sql" };
    enum cn_table_format format;
    for (int i = 0; i < 5; i++) {
        assert_true(cn_table_format_parse(names[i], &format));
        assert_int_equal(format, i);
    }
    assert_false(cn_table_format_parse("xml", &format));
    assert_false(cn_table_format_parse("", &format));
    assert_false(cn_table_format_parse("jso", &format));
}

static void test_write_error(void **state)
{
    (void)state;
    struct cn_table *t = sample();
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    setvbuf(out, NULL, _IONBF, 0);
    assert_false(cn_table_print(t, CN_TABLE_CSV, out));
    fclose(out);
    cn_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_md),
        cmocka_unit_test(test_significant_digits),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_sql),
        cmocka_unit_test(test_utf8_width),
        cmocka_unit_test(test_unknown_is_never_zero),
        cmocka_unit_test(test_numbers_read_back),
        cmocka_unit_test(test_huge_numbers_fit),
        cmocka_unit_test(test_empty_and_late_columns),
        cmocka_unit_test(test_formats_by_name),
        cmocka_unit_test(test_write_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "bench/stats/dataset.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_dataset *parse(const char *text)
{
    struct cn_dataset *d = NULL;
    struct cn_error err = { "" };
    if (cn_dataset_parse(text, strlen(text), "t", &d, &err) != CN_OK)
        fail_msg("%s", err.text);
    return d;
}

static void check_cell(const struct cn_dataset *d, size_t r, size_t c, const char *text,
                       double number)
{
    const struct cn_cell *cell = cn_dataset_cell(d, r, c);
    if (!text) {
        assert_null(cell->text);
        assert_true(isnan(cell->number));
        return;
    }
    assert_string_equal(cell->text, text);
    assert_true(isnan(number) ? isnan(cell->number) : cell->number == number);
}

static void csv(void **state)
{
    (void)state;
    struct cn_dataset *d = parse("\xef\xbb\xbfmodel,\"a \"\"b\"\", c\",n\r\n"
                                 "\"x\ny\",1.50,\r\n\r\n,\"\",-2e3\nnan,0x10,1e999");
    assert_int_equal(d->n_columns, 3);
    assert_int_equal(d->n_rows, 3);
    assert_string_equal(d->columns[1], "a \"b\", c");
    assert_int_equal(cn_dataset_column(d, "n", 1), 2);
    assert_int_equal(cn_dataset_column(d, "N", 1), -1);
    check_cell(d, 0, 0, "x y", (double)NAN); /* one line */
    check_cell(d, 0, 1, "1.50", 1.5);
    check_cell(d, 0, 2, NULL, 0);
    check_cell(d, 1, 0, NULL, 0);
    check_cell(d, 1, 1, "", (double)NAN); /* quoted: empty, not null */
    check_cell(d, 1, 2, "-2e3", -2000);
    check_cell(d, 2, 0, "nan", (double)NAN); /* texts, not numbers */
    check_cell(d, 2, 1, "0x10", (double)NAN);
    check_cell(d, 2, 2, "1e999", (double)NAN);
    cn_dataset_free(d);
    d = parse("a;b;c;d;e\n1;2,5;1,5;1,234;1,5\n2,5;-0,5e1;1.5;1,234,567;\n");
    check_cell(d, 0, 0, "1", 1); /* decimal commas where the comma does not separate */
    check_cell(d, 1, 0, "2,5", 2.5);
    check_cell(d, 0, 1, "2,5", 2.5);
    check_cell(d, 1, 1, "-0,5e1", -5);
    check_cell(d, 0, 2, "1,5", (double)NAN);   /* a column has one of the two */
    check_cell(d, 0, 3, "1,234", (double)NAN); /* thousands */
    check_cell(d, 0, 4, "1,5", 1.5);
    check_cell(d, 1, 4, NULL, 0);
    cn_dataset_free(d);
    d = parse("a\tb\n1\t2\n");
    check_cell(d, 0, 1, "2", 2);
    cn_dataset_free(d);
}

static void json(void **state)
{
    (void)state;
    struct cn_dataset *d = parse(" [{\"a\": 1, \"b\": \"x\"}, {\"c\": true, \"a\": null},\n"
                                 "{\"a\": 2.50, \"b\": [1], \"a\": 3}]");
    assert_int_equal(d->n_columns, 3);
    assert_int_equal(d->n_rows, 3);
    check_cell(d, 0, 0, "1", 1);
    check_cell(d, 0, 1, "x", (double)NAN);
    check_cell(d, 0, 2, NULL, 0);
    check_cell(d, 1, 0, NULL, 0);
    check_cell(d, 1, 2, "true", (double)NAN);
    check_cell(d, 2, 0, "3", 3);
    check_cell(d, 2, 1, NULL, 0);
    cn_dataset_free(d);
    d = parse("{\"a\": 0.1}\n\n  {\"a\": \"7\"}\n");
    assert_int_equal(d->n_rows, 2);
    check_cell(d, 0, 0, "0.1", 0.1);
    check_cell(d, 1, 0, "7", 7);
    cn_dataset_free(d);
}

/* hyperfine: one object with a list, each of its times a repetition. */
static void json_with_times(void **state)
{
    (void)state;
    struct cn_dataset *d =
        parse("{\n \"results\": [\n  {\"command\": \"x\", \"mean\": 2, \"user\": 7,\n"
              "   \"times\": [1, 3], \"exit_codes\": [0, 0],\n"
              "   \"parameters\": {\"threads\": \"4\"}},\n"
              "  {\"command\": \"y\", \"times\": []}\n ]\n}\n");
    const int64_t command = cn_dataset_column(d, "command", 7),
                  times = cn_dataset_column(d, "times", 5), user = cn_dataset_column(d, "user", 4),
                  threads = cn_dataset_column(d, "parameter_threads", 17);
    assert_int_equal(d->n_rows, 3);
    assert_true(command >= 0 && times >= 0 && user >= 0 && threads >= 0);
    check_cell(d, 0, (size_t)times, "1", 1);
    check_cell(d, 1, (size_t)times, "3", 3);
    check_cell(d, 1, (size_t)command, "x", (double)NAN);
    check_cell(d, 1, (size_t)threads, "4", 4);
    check_cell(d, 0, (size_t)user, "7", 7);
    check_cell(d, 1, (size_t)user, NULL, 0);               /* of both times: not a second one */
    assert_int_equal(cn_dataset_column(d, "mean", 4), -1); /* follows from the times */
    check_cell(d, 2, (size_t)times, NULL, 0);
    cn_dataset_free(d);
    /* The same in one line, and two such lines. */
    d = parse("{\"results\": [{\"times\": [1, 2, 3]}]}\n{\"results\": [{\"times\": [4]}]}\n");
    assert_int_equal(d->n_rows, 4);
    check_cell(d, 3, 0, "4", 4);
    cn_dataset_free(d);
}

/* Criterion's estimates; llama-bench's samples; objects in objects. */
static void json_with_intervals(void **state)
{
    (void)state;
    struct cn_dataset *d = parse(
        "{\"mean\": {\"confidence_interval\": {\"confidence_level\": 0.95, \"lower_bound\": 9,"
        " \"upper_bound\": 11}, \"point_estimate\": 10, \"standard_error\": 1},\n"
        "\"slope\": null}");
    assert_int_equal(d->n_rows, 1);
    assert_int_equal(d->n_columns, 4);
    check_cell(d, 0, 0, "10", 10);
    assert_string_equal(d->columns[1], "mean_lo");
    check_cell(d, 0, 1, "9", 9);
    check_cell(d, 0, 2, "11", 11);
    cn_dataset_free(d);
    d = parse("[{\"avg_ts\": 20, \"samples_ts\": [19, 20, 21]}]");
    const int64_t lo = cn_dataset_column(d, "avg_ts_lo", 9),
                  hi = cn_dataset_column(d, "avg_ts_hi", 9);
    assert_true(lo >= 0 && hi >= 0);
    /* SciPy: t.interval(0.95, 2, loc=20, scale=sem([19, 20, 21])) */
    assert_true(fabs(cn_dataset_cell(d, 0, (size_t)lo)->number - 17.51586228) < 1e-7);
    assert_true(fabs(cn_dataset_cell(d, 0, (size_t)hi)->number - 22.48413772) < 1e-7);
    cn_dataset_free(d);
    d = parse("{\"a\": {\"b\": {\"c\": 5}, \"d\": \"x\"}, \"e\": 1}\n");
    check_cell(d, 0, (size_t)cn_dataset_column(d, "a.b.c", 5), "5", 5);
    check_cell(d, 0, (size_t)cn_dataset_column(d, "a.d", 3), "x", (double)NAN);
    cn_dataset_free(d);
}

static void markdown(void **state)
{
    (void)state;
    struct cn_dataset *d =
        parse("| model | test |           t/s |\n| --- | :--- | ---: |\n"
              "| a \\| b | pp512 | 120.11 \u00b1 1.20 |\n| c |  | 7 |\n\nbuild: x (1)\n");
    assert_int_equal(d->n_columns, 3);
    assert_int_equal(d->n_rows, 2);
    check_cell(d, 0, 0, "a | b", (double)NAN);
    check_cell(d, 0, 2, "120.11 \u00b1 1.20", 120.11);
    check_cell(d, 1, 1, NULL, 0);
    check_cell(d, 1, 2, "7", 7);
    cn_dataset_free(d);
}

static void joined(void **state)
{
    (void)state;
    struct cn_dataset *parts[] = { parse("x,y\n1,2\n"), parse("y,file,z\n3,q,4\n5,r,6\n") }, *d;
    static const char *const labels[] = { "A", "B" };
    assert_int_equal(cn_dataset_join(parts, labels, 2, "file", &d, NULL), CN_OK);
    assert_int_equal(d->n_columns, 4); /* file x y z */
    assert_int_equal(d->n_rows, 3);
    check_cell(d, 0, 0, "A", (double)NAN);
    check_cell(d, 2, 0, "B", (double)NAN);
    check_cell(d, 0, 1, "1", 1);
    check_cell(d, 1, 1, NULL, 0);
    check_cell(d, 2, 2, "5", 5);
    check_cell(d, 2, 3, "6", 6);
    cn_dataset_free(parts[0]);
    cn_dataset_free(parts[1]);
    cn_dataset_free(d);
}

static void refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"",                                "found nothing"                                      },
        { " \n\t\n",                        "found nothing"                                      },
        { "a,b\n",                          "expected rows of results, found none"               },
        { "a,,b\n1,2,3\n",                  "line 1: expected a header"                          },
        { "a,b,a\n1,2,3\n",                 "found 'a' twice"                                    },
        { "a,b\n1,2\n1\n",                  "line 3: expected 2 fields as in the header, found 1"},
        { "a,b\n\"1\n2\",2,3\n",            "line 2: expected 2 fields as in the header, found 3"},
        { "a,b\n1,\"2\n\n",                 "line 2: expected a closing quote, found the end"    },
        { "[]",                             "expected rows of results, found none"               },
        { "[{}]",                           "expected rows of results, found none"               },
        { "[1]",                            "value 1: expected an object, found a number"        },
        { "[{\"a\": 1},",                   "line 1, column 11"                                  },
        { "[{\"a\\n\": 1}]",                "expected keys of printable text, found byte 0x0a"   },
        { "{\"a\": 1}\n[2]\n",              "line 2: expected an object, found an array"         },
        { "{\"a\": 1}\n{\"a\": }\n",        "object in line 2: line 1, column 7"                 },
        { "{\n\"a\": }\n",                  "line 2, column 6"                                   },
        { "| a |\n1\n",                     "line 2: expected |---|"                             },
        { "| a |\n|---|\n",                 "expected rows of results, found none"               },
        { "| a |\n|---|\n| 1 | 2 |",        "line 3: expected 1 cells as in the header, found 2" },
        { "| a | a |\n|---|---|\n",         "found 'a' twice"                                    },
        { "| a |\n|---|\n| 1 |\n\n| b |\n", "line 5: expected one table"                         },
        { "\xff\xfe"
          "a",                     "found UTF-16"                                       },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cn_dataset *d = NULL;
        struct cn_error err = { "" };
        enum cn_status status =
            cn_dataset_parse(cases[i].text, strlen(cases[i].text), "results", &d, &err);
        assert_int_equal(status, CN_ERR_FORMAT);
        assert_null(d);
        if (!strstr(err.text, cases[i].says) || strncmp(err.text, "results: ", 9) != 0)
            fail_msg("'%s' expected, '%s' found", cases[i].says, err.text);
    }
    struct cn_dataset *d = NULL;
    assert_int_equal(cn_dataset_parse("a\n\0\n", 4, "t", &d, NULL), CN_ERR_FORMAT);
}

/* Limits hold before memory does. */
static void too_much(void **state)
{
    const size_t columns = 4097, rows = (1 << 24) / 4096 + 1;
    struct cn_error err = { "" };
    struct cn_dataset *d = NULL;
    (void)state;
    char *text = malloc(columns * 8 + rows * 4), *p = text;
    for (size_t i = 0; i < columns; i++)
        p += sprintf(p, "%zu,", i + 1);
    p[-1] = '\n';
    assert_int_equal(cn_dataset_parse(text, (size_t)(p - text), "t", &d, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "at most 4096 columns"));
    p = text + sprintf(text, "{\"0\":1");
    for (size_t i = 1; i < 4096; i++)
        p += sprintf(p, ",\"%zu\":1", i);
    p += sprintf(p, "}\n");
    for (size_t i = 0; i < rows; i++)
        p += sprintf(p, "{}\n");
    assert_int_equal(cn_dataset_parse(text, (size_t)(p - text), "t", &d, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "cells"));
    free(text);
}

/* Damaged files are refused or read, and nothing else happens (run under the sanitizers too). */
static void damaged(void **state)
{
    static const char *const whole[] = {
        "model,\"q\",rep,tps\n\"a\",Q4,0,1.5\nb,\"Q\"\"5\",1,2e1\n",
        "[{\"a\": 1, \"b\": \"\\u00e9\"}, {\"a\": -2.5e3, \"c\": [true, null]}]",
        "{\"a\": 1}\n{\"a\": \"x\"}\n",
    };
    uint64_t seed = 1;
    size_t read = 0, tried = 0;
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int trial = 0; trial < 3000; trial++) {
            char text[128];
            size_t n = strlen(whole[i]);
            memcpy(text, whole[i], n);
            for (int k = 0; k < 2; k++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                text[(seed >> 33) % n] = "\",\n;[]{}:\\0e-\xff\x00 x"[(seed >> 20) % 17];
            }
            struct cn_dataset *d = NULL;
            struct cn_error err = { "" };
            enum cn_status status = cn_dataset_parse(text, n, "t", &d, &err);
            assert_int_equal(status == CN_OK, d != NULL);
            assert_int_equal(status == CN_OK, err.text[0] == 0);
            read += status == CN_OK;
            tried++;
            cn_dataset_free(d);
        }
    assert_in_range(read, 1, tried - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv),
        cmocka_unit_test(json),
        cmocka_unit_test(joined),
        cmocka_unit_test(json_with_times),
        cmocka_unit_test(json_with_intervals),
        cmocka_unit_test(markdown),
        cmocka_unit_test(refused),
        cmocka_unit_test(too_much),
        cmocka_unit_test(damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

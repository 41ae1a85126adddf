/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cn_json *parse(const char *text)
{
    struct cn_json *json = NULL;
    struct cn_error err;
    if (cn_json_parse(text, strlen(text), "test", &json, &err) != CN_OK)
        fail_msg("%s", err.text);
    return json;
}

static void test_values(void **state)
{
    (void)state;
    struct cn_json *json = parse(" { \"a\" : [ 1 , -2.5e3 , [ ] , { } , \"x\" ] ,\n\"b\":true,"
                                 "\"c\":false,\t\"\":null,\"d\":{\"e\":{\"f\":0}},\"a\":2 }\r\n");
    const struct cn_json_value *root = cn_json_root(json);
    assert_int_equal(root->type, CN_JSON_OBJECT);
    assert_int_equal(root->n_children, 6);
    assert_null(root->key);
    const struct cn_json_value *a = cn_json_get(root, "a");
    assert_int_equal(a->type, CN_JSON_ARRAY);
    assert_int_equal(a->n_children, 5);
    const struct cn_json_value *item = a->first;
    assert_true(item->type == CN_JSON_NUMBER && item->number == 1);
    item = item->next;
    assert_true(item->type == CN_JSON_NUMBER && item->number == -2500);
    item = item->next;
    assert_true(item->type == CN_JSON_ARRAY && !item->first && item->n_children == 0);
    item = item->next;
    assert_true(item->type == CN_JSON_OBJECT && !item->first);
    item = item->next;
    assert_string_equal(item->string, "x");
    assert_null(item->next);
    assert_ptr_equal(item->parent, a);
    assert_true(cn_json_get(root, "b")->boolean);
    assert_int_equal(cn_json_get(root, "c")->type, CN_JSON_BOOL);
    assert_false(cn_json_get(root, "c")->boolean);
    assert_int_equal(cn_json_get(root, "")->type, CN_JSON_NULL);
    assert_true(cn_json_get(cn_json_get(cn_json_get(root, "d"), "e"), "f")->number == 0);
    assert_null(cn_json_get(root, "e"));
    assert_null(cn_json_get(a, "a"));
    cn_json_free(json);
    cn_json_free(NULL);
}

static void test_strings(void **state)
{
    (void)state;
    struct cn_json *json = parse("[\"\", \"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"a\\u0000b\", "
                                 "\"\\u00e9\\u20AC\\ud83d\\ude00\", \"\xc3\xa9\xf0\x9f\x98\x80\"]");
    const struct cn_json_value *s = cn_json_root(json)->first;
    assert_int_equal(s->n_string, 0);
    assert_string_equal(s->string, "");
    s = s->next;
    assert_string_equal(s->string, "\"\\/\b\f\n\r\t");
    s = s->next;
    assert_int_equal(s->n_string, 3);
    assert_memory_equal(s->string, "a\0b", 4);
    s = s->next;
    assert_string_equal(s->string, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    s = s->next;
    assert_string_equal(s->string, "\xc3\xa9\xf0\x9f\x98\x80");
    cn_json_free(json);
}

static void test_scalars(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double number;
    } numbers[] = {
        {"0",                      0       },
        { "\xef\xbb\xbf\r\n7\r\n", 7       }, /* a byte-order mark, lines of another system */
        { "-0",                    0       },
        { "10",                    10      },
        { "0.5",                   0.5     },
        { "1E2",                   100     },
        { "1e-2",                  0.01    },
        { "1e+2",                  100     },
        { "-12.25",                -12.25  },
        { "1e400",                 HUGE_VAL}
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct cn_json *json = parse(numbers[i].text);
        assert_int_equal(cn_json_root(json)->type, CN_JSON_NUMBER);
        assert_true(cn_json_root(json)->number == numbers[i].number);
        cn_json_free(json);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {"",                    "line 1, column 1: expected a value, found the end"},
        { "  \n ",              "line 2, column 2"                                 },
        { "[",                  "a value"                                          },
        { "[1",                 "',' or ']'"                                       },
        { "[1,]",               "found ']'"                                        },
        { "[1 2]",              "',' or ']'"                                       },
        { "{",                  "a string"                                         },
        { "{\"a\"}",            "':'"                                              },
        { "{\"a\":1,}",         "a string"                                         },
        { "{\"a\":1]",          "',' or '}'"                                       },
        { "{1:2}",              "a string"                                         },
        { "[1}",                "',' or ']'"                                       },
        { "]",                  "a value"                                          },
        { "1 2",                "nothing more"                                     },
        { "[]]",                "nothing more"                                     },
        { "tru",                "a value"                                          },
        { "nul",                "a value"                                          },
        { "True",               "a value"                                          },
        { "01",                 "nothing more"                                     },
        { "-",                  "a digit"                                          },
        { "+1",                 "a value"                                          },
        { ".5",                 "a value"                                          },
        { "1.",                 "a digit"                                          },
        { "1e",                 "a digit"                                          },
        { "NaN",                "a value"                                          },
        { "'a'",                "a value"                                          },
        { "\"a",                "found the end"                                    },
        { "\"a\nb\"",           "0x0a"                                             },
        { "\"\\x\"",            "an escape"                                        },
        { "\"\\",               "an escape"                                        },
        { "\"\\u12g4\"",        "hexadecimal"                                      },
        { "\"\\u12",            "hexadecimal"                                      },
        { "\"\\ud83d\"",        "surrogate"                                        },
        { "\"\\ud83d\\u0041\"", "surrogate"                                        },
        { "\"\\ude00\"",        "surrogate"                                        },
        { "\"\xff\"",           "UTF-8"                                            },
        { "\"\xed\xa0\x80\"",   "UTF-8"                                            },
        { "\"\xe2\x82",         "UTF-8"                                            },
        { "[1] // x",           "nothing more"                                     },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cn_json *json = NULL;
        struct cn_error err = { "" };
        /* In memory of exactly this size, so that a sanitizer sees a read behind it. */
        size_t n = strlen(bad[i].text);
        char *copy = malloc(n ? n : 1);
        memcpy(copy, bad[i].text, n);
        assert_int_equal(cn_json_parse(copy, n, "test", &json, &err), CN_ERR_FORMAT);
        assert_null(json);
        if (!strstr(err.text, bad[i].word) || strncmp(err.text, "test: line ", 11))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, err.text, bad[i].word);
        free(copy);
    }
}

static void test_depth(void **state)
{
    (void)state;
    enum { DEEP = 1000000 };
    char *text = malloc(2 * DEEP);
    for (int depth = CN_JSON_MAX_DEPTH; depth <= DEEP; depth += DEEP - CN_JSON_MAX_DEPTH) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        struct cn_json *json = NULL;
        enum cn_status status = cn_json_parse(text, 2 * (size_t)depth, "test", &json, NULL);
        assert_int_equal(status, depth <= CN_JSON_MAX_DEPTH ? CN_OK : CN_ERR_FORMAT);
        cn_json_free(json);
    }
    free(text);
}

/* Every start of a document, and every single byte replaced: an answer each time. */
static void test_mutations(void **state)
{
    (void)state;
    static const char good[] =
        "{\"m\":[{\"role\":\"user\",\"c\":\"a\\u00e9\\ud83d\\ude00\\n\"},-1.5e3,"
        "true,null,[[]],{}]}";
    for (size_t n = 0; n <= sizeof good - 1; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, good, n);
        struct cn_json *json = NULL;
        enum cn_status status = cn_json_parse(copy, n, "test", &json, NULL);
        assert_int_equal(status, n == sizeof good - 1 ? CN_OK : CN_ERR_FORMAT);
        cn_json_free(json);
        for (int byte = 0; byte < 256 && n < sizeof good - 1; byte++) {
            char changed[sizeof good];
            memcpy(changed, good, sizeof good);
            changed[n] = (char)byte;
            json = NULL;
            (void)cn_json_parse(changed, sizeof good - 1, "test", &json, NULL);
            cn_json_free(json);
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_strings),
        cmocka_unit_test(test_scalars), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),   cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

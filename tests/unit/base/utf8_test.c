/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_all_characters(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        char buf[4];
        size_t n = cn_utf8_put(cp, buf), length = 0;
        assert_int_equal(n, cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4);
        assert_true(cn_utf8_next(buf, n, &length) == cp && length == n);
        assert_int_equal(cn_utf8_complete(buf, n), n);
        /* Cut short it is invalid, but may still become whole. */
        for (size_t k = 1; k < n; k++) {
            assert_true(cn_utf8_next(buf, k, &length) == CN_UTF8_INVALID && length == 1);
            assert_int_equal(cn_utf8_complete(buf, k), 0);
        }
    }
}

static void test_invalid(void **state)
{
    (void)state;
    static const char *const invalid[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "\xc3(",
        "\xe2\x82(",
        "\xf0\x9f\x98(",
    };
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        size_t length, n = strlen(invalid[i]);
        assert_true(cn_utf8_next(invalid[i], n, &length) == CN_UTF8_INVALID);
        assert_int_equal(length, 1);
        assert_int_equal(cn_utf8_complete(invalid[i], n), n);
    }
}

static void test_complete(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t complete;
    } cases[] = {
        {"",                   0},
        { "abc",               3},
        { "a\xc3",             1},
        { "a\xc3\xa9",         3},
        { "\xe2\x82",          0},
        { "x\xf0\x9f\x98",     1},
        { "x\xf0\x9f\x98\x80", 5},
        { "\xc3\xe2\x82",      1},
        { "\x80\x80\x80",      3},
        { "a\x80\x80\x80\x80", 5},
        { "\xe2\x28\xa1",      3},
        { "\xf4\x90",          2},
        { "\xf4\x8f",          0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(cn_utf8_complete(cases[i].text, strlen(cases[i].text)), cases[i].complete);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_characters),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

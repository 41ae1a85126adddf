/* SPDX-License-Identifier: MIT */
#include "base/strmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct cn_str str(const char *text)
{
    return (struct cn_str){ text, strlen(text) };
}

static void test_find(void **state)
{
    (void)state;
    struct cn_strmap map;
    assert_true(cn_strmap_init(&map, 0));
    assert_int_equal(cn_strmap_find(&map, str("")), -1);
    assert_true(cn_strmap_add(&map, str("one")));
    assert_true(cn_strmap_add(&map, str("")));
    assert_true(cn_strmap_add(&map, str("one")));
    assert_true(cn_strmap_add(&map, (struct cn_str){ "one\0", 4 }));
    assert_int_equal(map.n, 4);
    assert_int_equal(cn_strmap_find(&map, str("one")), 0);
    assert_int_equal(cn_strmap_find(&map, str("")), 1);
    assert_int_equal(cn_strmap_find(&map, (struct cn_str){ NULL, 0 }), 1);
    assert_int_equal(cn_strmap_find(&map, (struct cn_str){ "one\0", 4 }), 3);
    assert_int_equal(cn_strmap_find(&map, str("on")), -1);
    cn_strmap_free(&map);
}

static void test_grows(void **state)
{
    (void)state;
    enum { N = 20000 };
    static char texts[N][40];
    struct cn_strmap map;
    assert_true(cn_strmap_init(&map, 1));
    for (int i = 0; i < N; i++) {
        /* Lengths on both sides of the word that is hashed at once. */
        snprintf(texts[i], sizeof texts[i], "%.*s%d", i % 17, "................", i);
        assert_true(cn_strmap_add(&map, str(texts[i])));
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(cn_strmap_find(&map, str(texts[i])), i);
    assert_int_equal(cn_strmap_find(&map, str("20000")), -1);
    cn_strmap_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

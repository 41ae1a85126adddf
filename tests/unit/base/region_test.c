/* SPDX-License-Identifier: MIT */
#include "base/region.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_pieces(void **state)
{
    (void)state;
    struct cn_region region = { .limit = 1 << 20 };
    char *pieces[100];
    for (int i = 0; i < 100; i++) {
        pieces[i] = cn_region_alloc(&region, (size_t)(i * 37));
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % sizeof(max_align_t) % 16, 0);
        memset(pieces[i], i, (size_t)(i * 37));
    }
    for (int i = 0; i < 100; i++)
        for (int k = 0; k < i * 37; k++)
            assert_int_equal(pieces[i][k], i);
    cn_region_free(&region);
    assert_int_equal(region.total, 0);
}

static void test_growing(void **state)
{
    (void)state;
    struct cn_region region = { .limit = 1 << 20 };
    char *p = cn_region_grow(&region, NULL, 0, 100);
    memset(p, 'a', 100);
    assert_ptr_equal(cn_region_grow(&region, p, 100, 200), p); /* the newest, in place */
    char *other = cn_region_alloc(&region, 1);
    char *moved = cn_region_grow(&region, p, 200, 300);
    assert_non_null(other);
    assert_ptr_not_equal(moved, p);
    assert_int_equal(moved[99], 'a');
    char *far = cn_region_grow(&region, moved, 300, 100000);
    assert_int_equal(far[99], 'a');
    cn_region_free(&region);
}

static void test_limit(void **state)
{
    (void)state;
    struct cn_region region = { .limit = 100000 };
    assert_null(cn_region_alloc(&region, 100001));
    assert_null(cn_region_alloc(&region, SIZE_MAX));
    assert_null(cn_region_grow(&region, NULL, 0, SIZE_MAX - 3));
    size_t n = 0;
    while (cn_region_alloc(&region, 1000))
        n++;
    assert_true(n > 20 && n <= 100);
    assert_true(region.total <= 100000);
    cn_region_free(&region);
    assert_non_null(cn_region_alloc(&region, 1000)); /* empty again */
    cn_region_free(&region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

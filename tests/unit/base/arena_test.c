/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_pieces(void **state)
{
    (void)state;
    struct cn_arena arena = { .limit = 1 << 20 };
    char *pieces[100];
    for (int i = 0; i < 100; i++) {
        pieces[i] = cn_arena_alloc(&arena, (size_t)(i * 37));
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % sizeof(max_align_t) % 16, 0);
        memset(pieces[i], i, (size_t)(i * 37));
    }
    for (int i = 0; i < 100; i++)
        for (int k = 0; k < i * 37; k++)
            assert_int_equal(pieces[i][k], i);
    cn_arena_free(&arena);
    assert_int_equal(arena.total, 0);
}

static void test_growing(void **state)
{
    (void)state;
    struct cn_arena arena = { .limit = 1 << 20 };
    char *p = cn_arena_grow(&arena, NULL, 0, 100);
    memset(p, 'a', 100);
    assert_ptr_equal(cn_arena_grow(&arena, p, 100, 200), p); /* the newest, in place */
    char *other = cn_arena_alloc(&arena, 1);
    char *moved = cn_arena_grow(&arena, p, 200, 300);
    assert_non_null(other);
    assert_ptr_not_equal(moved, p);
    assert_int_equal(moved[99], 'a');
    char *far = cn_arena_grow(&arena, moved, 300, 100000);
    assert_int_equal(far[99], 'a');
    cn_arena_free(&arena);
}

static void test_limit(void **state)
{
    (void)state;
    struct cn_arena arena = { .limit = 100000 };
    assert_null(cn_arena_alloc(&arena, 100001));
    assert_null(cn_arena_alloc(&arena, SIZE_MAX));
    assert_null(cn_arena_grow(&arena, NULL, 0, SIZE_MAX - 3));
    size_t n = 0;
    while (cn_arena_alloc(&arena, 1000))
        n++;
    assert_true(n > 20 && n <= 100);
    assert_true(arena.total <= 100000);
    cn_arena_free(&arena);
    assert_non_null(cn_arena_alloc(&arena, 1000)); /* empty again */
    cn_arena_free(&arena);
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

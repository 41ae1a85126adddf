/* SPDX-License-Identifier: MIT */
#include "base/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_round_up(void **state)
{
    (void)state;
    assert_int_equal(cn_round_up(0, 64), 0);
    assert_int_equal(cn_round_up(1, 64), 64);
    assert_int_equal(cn_round_up(64, 64), 64);
    assert_int_equal(cn_round_up(65, 64), 128);
    assert_int_equal(cn_round_up(10, 3), 12);
    assert_true(cn_round_up(SIZE_MAX - 3, 64) < SIZE_MAX - 3);
}

/* Measured and handed out alike: pieces are aligned, apart, and inside what was measured. */
static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        size_t size;
    } piece[] = {
        {1,   1  },
        { 0,  8  },
        { 16, 4  },
        { 65, 1  },
        { 3,  100}
    };
    struct cn_layout measure = { 0 };
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++)
        assert_null(cn_layout_take(&measure, piece[i].count, piece[i].size));
    assert_int_equal(measure.used, 64 + 0 + 64 + 128 + 320);
    assert_false(measure.overflow);
    uint8_t *memory = aligned_alloc(CN_ALIGN, measure.used);
    struct cn_layout arena = { .base = memory };
    const uint8_t *end = memory;
    for (size_t i = 0; i < sizeof piece / sizeof *piece; i++) {
        uint8_t *p = cn_layout_take(&arena, piece[i].count, piece[i].size);
        assert_true((uintptr_t)p % CN_ALIGN == 0 && p >= end);
        end = p + (size_t)piece[i].count * piece[i].size;
    }
    assert_int_equal(arena.used, measure.used);
    assert_true(end <= memory + measure.used);
    free(memory);
}

static void test_overflow(void **state)
{
    (void)state;
    static const struct {
        int64_t count;
        size_t size;
    } bad[] = {
        {-1,         1               },
        { INT64_MAX, 4               },
        { 2,         SIZE_MAX / 2 + 1},
        { 1,         SIZE_MAX / 2    }
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cn_layout arena = { 0 };
        cn_layout_take(&arena, 1, 1);
        assert_null(cn_layout_take(&arena, bad[i].count, bad[i].size));
        assert_true(arena.overflow);
        assert_int_equal(arena.used, 64);
    }
    /* The sum overflows, not the pieces. */
    struct cn_layout arena = { 0 };
    for (int i = 0; i < 10; i++)
        cn_layout_take(&arena, 1, SIZE_MAX / 5);
    assert_true(arena.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_up),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

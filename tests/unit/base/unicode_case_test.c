/* SPDX-License-Identifier: MIT */
#include "base/unicode_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

static void check(uint32_t cp, enum cn_case to, size_t n, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t out[CN_CASE_MAX] = { 0 };
    if (cn_unicode_case(cp, to, out) != n || out[0] != a || out[1] != b || out[2] != c)
        fail_msg("U+%04X to %d: U+%04X U+%04X U+%04X", cp, (int)to, out[0], out[1], out[2]);
}

/* From the charts of Unicode. */
static void test_known(void **state)
{
    (void)state;
    check('a', CN_CASE_UPPER, 1, 'A', 0, 0);
    check('Z', CN_CASE_LOWER, 1, 'z', 0, 0);
    check('1', CN_CASE_UPPER, 1, '1', 0, 0);
    check('\'', CN_CASE_TITLE, 1, '\'', 0, 0);
    check(0xe9, CN_CASE_UPPER, 1, 0xc9, 0, 0);
    check(0xff, CN_CASE_UPPER, 1, 0x178, 0, 0);
    check(0x101, CN_CASE_UPPER, 1, 0x100, 0, 0);
    check(0x100, CN_CASE_UPPER, 1, 0x100, 0, 0);
    check(0xdf, CN_CASE_UPPER, 2, 'S', 'S', 0);
    check(0xdf, CN_CASE_TITLE, 2, 'S', 's', 0);
    check(0x130, CN_CASE_LOWER, 2, 'i', 0x307, 0);
    check(0x1c6, CN_CASE_TITLE, 1, 0x1c5, 0, 0);
    check(0x1c6, CN_CASE_UPPER, 1, 0x1c4, 0, 0);
    check(0x3a3, CN_CASE_LOWER, 1, 0x3c3, 0, 0);
    check(0x436, CN_CASE_UPPER, 1, 0x416, 0, 0);
    check(0x390, CN_CASE_UPPER, 3, 0x399, 0x308, 0x301);
    check(0x1e9e, CN_CASE_LOWER, 1, 0xdf, 0, 0);
    check(0x10428, CN_CASE_UPPER, 1, 0x10400, 0, 0);
    check(0x4e2d, CN_CASE_UPPER, 1, 0x4e2d, 0, 0);
    check(0xffffffff, CN_CASE_UPPER, 1, 0xffffffff, 0, 0);
}

static void test_sorted(void **state)
{
    (void)state;
    const struct {
        const struct cn_case_run *runs;
        size_t n;
    } tables[] = {
        {cn_case_upper,  cn_n_case_upper},
        { cn_case_lower, cn_n_case_lower},
        { cn_case_title, cn_n_case_title}
    };
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < tables[t].n; i++) {
            const struct cn_case_run *run = &tables[t].runs[i];
            assert_true(run->first <= run->last && run->step > 0 && run->delta != 0);
            assert_true(i == 0 || run[-1].last < run->first);
        }
    for (size_t i = 1; i < cn_n_case_specials; i++)
        assert_true(cn_case_specials[i - 1].cp < cn_case_specials[i].cp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_a_reason(void **state)
{
    (void)state;
    struct cn_error err;
    errno = ENOSPC;
    assert_int_equal(cn_fail_errno(&err, "%s: cannot write", "x"), CN_ERR_IO);
    assert_string_equal(err.text, "x: cannot write: No space left on device");
    assert_int_equal(errno, ENOSPC);
    errno = ENOMEM;
    assert_int_equal(cn_fail_errno(&err, "x"), CN_ERR_MEMORY);
    errno = EIO;
    assert_int_equal(cn_fail_errno(NULL, "x"), CN_ERR_IO);
    assert_int_equal(cn_fail(NULL, CN_ERR_FORMAT, "x"), CN_ERR_FORMAT);
}

/* The longest name there can be leaves room for what is wrong with it. */
static void test_long_names(void **state)
{
    (void)state;
    struct cn_error err;
    char name[4096];
    memset(name, 'n', sizeof name - 1);
    memcpy(name, "/begin/", 7);
    name[sizeof name - 1] = 0;
    cn_fail(&err, CN_ERR_IO, "%s: cannot open: %s", name, strerror(EACCES));
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(strncmp(err.text, "/begin/", 7), 0);
    assert_non_null(strstr(err.text, "..."));
    assert_non_null(strstr(err.text, ": cannot open: Permission denied"));
    errno = EMFILE;
    cn_fail_errno(&err, "%s: cannot open", name);
    assert_non_null(strstr(err.text, "nnn: cannot open: Too many open files"));
    /* One that was made of itself. */
    cn_fail(&err, CN_ERR_IO, "%s: %s", name, err.text);
    assert_non_null(strstr(err.text, ": cannot open: Too many open files"));
}

/* Nothing is cut through the middle of a character. */
static void test_characters(void **state)
{
    (void)state;
    struct cn_error err;
    char name[1501] = "";
    for (int shift = 0; shift < 3; shift++) {
        memset(name, 'a', (size_t)shift);
        for (size_t i = (size_t)shift; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\u20ac", 4);
        cn_fail(&err, CN_ERR_IO, "%s: wrong", name);
        const char *dots = strstr(err.text, "...");
        assert_non_null(dots);
        assert_int_equal((dots - err.text - shift) % 3, 0);
        assert_int_equal(strncmp(dots + 3, "\u20ac", 3), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reason),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

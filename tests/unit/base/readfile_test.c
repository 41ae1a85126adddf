/* SPDX-License-Identifier: MIT */
#include "base/readfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/readfile_test_XXXXXX", path[64];
static struct cn_error err;

static enum cn_status read_as(const char *name, const struct cn_readfile_options *o, size_t *n)
{
    char *data = (char *)1;
    *n = 77;
    enum cn_status status = cn_readfile(name, o, &data, n, &err);
    if (status == CN_OK)
        free(data);
    else
        assert_true(data == (char *)1 && *n == 77); /* left alone */
    return status;
}

static void test_whole_or_not(void **state)
{
    (void)state;
    size_t n;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 100000; i++)
        fputc('x', f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(
        read_as(path, &(struct cn_readfile_options){ .max_bytes = 100000, .regular = true }, &n),
        CN_OK);
    assert_int_equal(n, 100000);
    assert_int_equal(read_as(path, &(struct cn_readfile_options){ .max_bytes = 99999 }, &n),
                     CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "expected at most 99999 bytes, found 100000"));
    /* Its size says nothing, and there is more. */
    assert_int_equal(
        read_as("/proc/self/maps", &(struct cn_readfile_options){ .max_bytes = 9 }, &n),
        CN_ERR_FORMAT);
    assert_int_equal(unlink(path), 0);
}

static void test_errors_of_reading(void **state)
{
    (void)state;
    const struct cn_readfile_options any = { .max_bytes = 100 };
    const struct cn_readfile_options regular = { .max_bytes = 100, .regular = true };
    size_t n;
    assert_int_equal(read_as(path, &any, &n), CN_ERR_IO);
    assert_non_null(strstr(err.text, "cannot open: No such file or directory"));
    /* It opens, and then its read fails: no file of no bytes. */
    assert_int_equal(read_as(dir, &any, &n), CN_ERR_IO);
    assert_non_null(strstr(err.text, "cannot read: Is a directory"));
    assert_int_equal(read_as(dir, &regular, &n), CN_ERR_FORMAT);
    assert_int_equal(read_as("/dev/null", &regular, &n), CN_ERR_FORMAT);
    assert_int_equal(read_as("/dev/null", &any, &n), CN_OK);
    assert_int_equal(n, 0);
}

/* Nobody writes to it: waiting would last for ever, and the alarm would end the test. */
static void test_a_pipe_is_refused_at_once(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(
        read_as(path, &(struct cn_readfile_options){ .max_bytes = 9, .regular = true }, &n),
        CN_ERR_FORMAT);
    alarm(0);
    assert_non_null(strstr(err.text, "a file expected, found a pipe"));
    assert_int_equal(unlink(path), 0);
}

static bool at_once(void *user)
{
    return ++*(int *)user > 1;
}

static void test_cancelled(void **state)
{
    (void)state;
    int asked = 0;
    const struct cn_readfile_options o = { .max_bytes = SIZE_MAX,
                                           .cancel = at_once,
                                           .user = &asked };
    size_t n;
    assert_int_equal(read_as("/dev/zero", &o, &n), CN_ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_or_not),
        cmocka_unit_test(test_errors_of_reading),
        cmocka_unit_test(test_a_pipe_is_refused_at_once),
        cmocka_unit_test(test_cancelled),
    };
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/file", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(dir);
    return failed;
}

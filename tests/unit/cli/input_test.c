/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

static char dir[] = "/tmp/carnot-readfile-XXXXXX", path[64];

static void write_file(const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* NULL is returned and *n left alone. */
static void expect_refusal(const char *name, size_t max_bytes)
{
    size_t n = 77;
    assert_null(cn_read_file(name, max_bytes, &n));
    assert_int_equal(n, 77);
}

static void test_sizes(void **state)
{
    (void)state;
    /* Around the first buffer's end, where the NUL has to find room too. */
    static const size_t sizes[] = { 0, 1, 65534, 65535, 65536, 65537, 300000 };
    char *data = malloc(300000);
    assert_non_null(data);
    for (size_t i = 0; i < 300000; i++)
        data[i] = (char)(i * 7 % 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = 0;
        write_file(data, sizes[i]);
        char *text = cn_read_file(path, sizes[i], &n);
        assert_non_null(text);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(text, data, n);
        assert_int_equal(text[n], 0);
        free(text);
        if (sizes[i])
            expect_refusal(path, sizes[i] - 1);
    }
    free(data);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    expect_refusal("/nonexistent/file", 100);
    expect_refusal(dir, 100);          /* a folder */
    expect_refusal("/dev/zero", 1000); /* without an end: must stop at the limit */
    expect_refusal("", 100);
}

static void test_file_without_size(void **state)
{
    (void)state;
    size_t n = 0; /* stat says 0 bytes */
    char *text = cn_read_file("/proc/self/status", 1 << 20, &n);
    assert_non_null(text);
    assert_non_null(strstr(text, "Pid:"));
    assert_int_equal(strlen(text), n);
    free(text);
}

static void test_stdin(void **state)
{
    (void)state;
    write_file("from\0stdin", 10);
    int saved = dup(STDIN_FILENO), fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    dup2(fd, STDIN_FILENO);
    size_t n = 0;
    char *text = cn_read_file("-", 100, &n);
    if (saved >= 0) {
        dup2(saved, STDIN_FILENO);
        close(saved);
    }
    close(fd);
    assert_int_equal(n, 10);
    assert_memory_equal(text, "from\0stdin", 11);
    free(text);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_file_without_size),
        cmocka_unit_test(test_stdin),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

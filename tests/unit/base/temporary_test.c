/* SPDX-License-Identifier: MIT */
#include "base/temporary.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sysfs_tree.h"

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void under_tmpdir(void **state)
{
    (void)state;
    struct tree t = tree_create();
    struct cn_error err = { "" };
    char folder[512];
    FILE *f;
    setenv("TMPDIR", t.root, 1);
    assert_int_equal(cn_temporary_file(&f, &err), CN_OK);
    assert_int_equal(entries(t.root), 0); /* it has no name any more */
    assert_int_equal(fputs("kept", f), 1);
    rewind(f);
    assert_int_equal(fgetc(f), 'k');
    fclose(f);
    assert_int_equal(cn_temporary_folder(folder, sizeof folder, "", &err), CN_OK);
    assert_int_equal(strncmp(folder, t.root, strlen(t.root)), 0);
    assert_int_equal(entries(t.root), 1);
    assert_int_equal(rmdir(folder), 0);
    /* Where it cannot be, elsewhere. */
    assert_int_equal(cn_temporary_folder(folder, sizeof folder, "/", &err), CN_OK);
    assert_int_equal(strncmp(folder, "./carnot-", 9), 0);
    assert_int_equal(rmdir(folder), 0);
    setenv("TMPDIR", "/nonexistent/folder", 1);
    assert_int_equal(cn_temporary_file(&f, &err), CN_OK);
    fclose(f);
    tree_remove(&t);
}

static void nowhere(void **state)
{
    (void)state;
    struct cn_error err = { "" };
    char folder[8];
    setenv("TMPDIR", "/nonexistent/folder", 1);
    assert_int_equal(cn_temporary_folder(folder, sizeof folder, "", &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "TMPDIR, /tmp or here"));
    assert_non_null(strstr(err.text, "/nonexistent/folder: "));
    assert_non_null(strstr(err.text, "/tmp: "));
    assert_non_null(strstr(err.text, ".: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_tmpdir),
        cmocka_unit_test(nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

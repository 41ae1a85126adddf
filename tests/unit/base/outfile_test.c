/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/tools.h"

static char dir[] = "/tmp/outfile_test_XXXXXX";
static char path[128];

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *expected)
{
    char text[64] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    assert_string_equal(text, expected);
}

/* No file but the one under test is in the folder, so that rmdir works without it. */
static void assert_nothing_left(void)
{
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static void test_the_name_changes_hands_at_the_end(void **state)
{
    (void)state;
    struct cn_outfile *f;
    struct cn_error err;
    put("old");
    assert_int_equal(cn_outfile_create(path, &f, &err), CN_OK);
    fputs("new", cn_outfile_stream(f));
    fflush(cn_outfile_stream(f));
    assert_holds("old");
    assert_int_equal(cn_outfile_finish(f, &err), CN_OK);
    assert_holds("new");
    assert_nothing_left();
}

static void test_two_writers_of_one_name(void **state)
{
    (void)state;
    struct cn_outfile *a, *b;
    assert_int_equal(cn_outfile_create(path, &a, NULL), CN_OK);
    assert_int_equal(cn_outfile_create(path, &b, NULL), CN_OK);
    fputs("a", cn_outfile_stream(a));
    fputs("b", cn_outfile_stream(b));
    assert_int_equal(cn_outfile_finish(b, NULL), CN_OK);
    assert_int_equal(cn_outfile_finish(a, NULL), CN_OK);
    assert_holds("a");
    assert_nothing_left();
}

/* Sealed: complete, without its name still. */
static void test_sealed(void **state)
{
    (void)state;
    struct cn_outfile *f;
    for (int kept = 0; kept < 2; kept++) {
        put("old");
        assert_int_equal(cn_outfile_create(path, &f, NULL), CN_OK);
        fputs("new", cn_outfile_stream(f));
        assert_int_equal(cn_outfile_seal(f, NULL), CN_OK);
        assert_holds("old");
        if (kept)
            assert_int_equal(cn_outfile_finish(f, NULL), CN_OK);
        else
            cn_outfile_abandon(f);
        assert_holds(kept ? "new" : "old");
        assert_nothing_left();
    }
}

static void test_new_names_only(void **state)
{
    (void)state;
    struct cn_outfile *a, *b;
    struct cn_error err;
    assert_int_equal(cn_outfile_create(path, &a, NULL), CN_OK);
    assert_int_equal(cn_outfile_create(path, &b, NULL), CN_OK);
    fputs("a", cn_outfile_stream(a));
    fputs("b", cn_outfile_stream(b));
    assert_int_equal(cn_outfile_finish_new(a, &err), CN_OK);
    assert_int_equal(cn_outfile_finish_new(b, &err), CN_ERR_ARGUMENT);
    assert_int_equal(errno, EEXIST);
    assert_non_null(strstr(err.text, "exists already"));
    assert_holds("a");
    assert_nothing_left();
}

/* ---- sets ------------------------------------------------------------------------------------ */

enum { PARTS = 3 };
static char parts[PARTS][128];

static void put_set(const char *text)
{
    for (int i = 0; i < PARTS; i++) {
        snprintf(path, sizeof path, "%.60s/part-%d", dir, i);
        memcpy(parts[i], path, sizeof path);
        unlink(path);
        if (text)
            put(text);
    }
}

static void assert_set_holds(const char *text)
{
    for (int i = 0; i < PARTS; i++) {
        memcpy(path, parts[i], sizeof path);
        if (text)
            assert_holds(text);
        else
            assert_int_not_equal(access(path, F_OK), 0);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/out", dir);
    assert_nothing_left();
}

static void begin_set(struct cn_outfile *files[PARTS])
{
    for (int i = 0; i < PARTS; i++) {
        assert_int_equal(cn_outfile_create(parts[i], &files[i], NULL), CN_OK);
        fputs("new", cn_outfile_stream(files[i]));
    }
}

static void test_a_set(void **state)
{
    (void)state;
    struct cn_outfile *files[PARTS];
    for (int old = 0; old < 2; old++) {
        put_set(old ? "old" : NULL);
        begin_set(files);
        assert_int_equal(cn_outfile_finish_all(files, PARTS, NULL), CN_OK);
        assert_set_holds("new");
    }
}

/* Whichever name cannot be had: all are as they were, and nothing else is there. */
static void test_a_set_that_cannot_come(void **state)
{
    (void)state;
    struct cn_outfile *files[PARTS];
    struct cn_error err;
    for (int old = 0; old < 2; old++)
        for (int i = 0; i < PARTS; i++) {
            put_set(old ? "old" : NULL);
            begin_set(files);
            assert_int_equal(unlink(cn_outfile_name(files[i])), 0);
            assert_int_equal(cn_outfile_finish_all(files, PARTS, &err), CN_ERR_IO);
            assert_int_equal(errno, ENOENT);
            assert_non_null(strstr(err.text, parts[i]));
            assert_non_null(strstr(err.text, "all files are as they were"));
            assert_set_holds(old ? "old" : NULL);
        }
    /* A folder has come under one of the names. */
    put_set("old");
    begin_set(files);
    assert_int_equal(unlink(parts[1]), 0);
    assert_int_equal(mkdir(parts[1], 0700), 0);
    assert_int_equal(cn_outfile_finish_all(files, PARTS, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, strerror(EISDIR)));
    assert_int_equal(rmdir(parts[1]), 0);
    memcpy(path, parts[1], sizeof path);
    put("old");
    assert_set_holds("old");
}

static void test_abandoned(void **state)
{
    (void)state;
    struct cn_outfile *f;
    put("old");
    cn_outfile_abandon(NULL);
    assert_int_equal(cn_outfile_create(path, &f, NULL), CN_OK);
    fputs("new", cn_outfile_stream(f));
    cn_outfile_abandon(f);
    assert_holds("old");
    assert_nothing_left();
}

/* A full disk, as the limit on the size of a file: once found by a write, once only at the end. */
static void test_a_full_disk(void **state)
{
    (void)state;
    struct rlimit old, limit;
    struct cn_error err;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 4;
    for (int early = 0; early < 2; early++) {
        struct cn_outfile *f;
        put("old");
        assert_int_equal(cn_outfile_create(path, &f, &err), CN_OK);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fputs("too long", cn_outfile_stream(f));
        if (early)
            fflush(cn_outfile_stream(f));
        enum cn_status status = cn_outfile_finish(f, &err);
        int reason = errno;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(status, CN_ERR_IO);
        assert_int_equal(reason, EFBIG); /* of the write that failed, however long ago */
        assert_non_null(strstr(err.text, strerror(EFBIG)));
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "write failed"));
        assert_holds("old");
        assert_nothing_left();
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct cn_outfile *f = NULL;
    struct cn_error err;
    char gone[96], name[NAME_MAX + 64];
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(cn_outfile_create(path, &f, &err), CN_ERR_ARGUMENT);
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "exists and is not a regular file"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cn_outfile_create(dir, &f, &err), CN_ERR_ARGUMENT);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(cn_outfile_create("", &f, &err), CN_ERR_IO);
    assert_int_equal(errno, ENOENT);
    snprintf(gone, sizeof gone, "%s/no-folder/x", dir);
    assert_int_equal(cn_outfile_create(gone, &f, &err), CN_ERR_IO);
    assert_int_equal(errno, ENOENT);
    snprintf(name, sizeof name,
             "%s: cannot create: ", gone); /* the temporary name is not its own */
    assert_non_null(strstr(err.text, name));
    int n = snprintf(name, sizeof name, "%s/", dir);
    memset(name + n, 'x', NAME_MAX);
    name[n + NAME_MAX] = 0;
    assert_int_equal(cn_outfile_create(name, &f, &err), CN_ERR_IO);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_null(f);
    assert_nothing_left();
}

static void write_through(const char *name, const char *text)
{
    struct cn_outfile *f;
    struct cn_error err;
    assert_int_equal(cn_outfile_create(name, &f, &err), CN_OK);
    fputs(text, cn_outfile_stream(f));
    assert_int_equal(cn_outfile_finish(f, &err), CN_OK);
}

/* The file at the end of the chain is replaced, or made, and every link stays; the temporary file
 * stands beside it: the folder of the links may be on another disk. */
static void test_links(void **state)
{
    (void)state;
    char folder[64], first[96], second[96];
    struct stat st;
    snprintf(folder, sizeof folder, "%s/links", dir);
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink("second", first), 0);
    assert_int_equal(symlink("../out", second), 0);
    write_through(first, "dangling");
    assert_holds("dangling");
    write_through(first, "new");
    assert_holds("new");
    unlink(second);
    assert_int_equal(symlink(path, second), 0);
    write_through(first, "absolute");
    assert_holds("absolute");
    assert_int_equal(lstat(first, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(lstat(second, &st), 0);
    assert_true(S_ISLNK(st.st_mode));

    struct cn_outfile *f = NULL;
    struct cn_error err;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(cn_outfile_create(first, &f, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, first));
    assert_int_equal(unlink(path), 0);
    unlink(second);
    assert_int_equal(symlink("first", second), 0);
    assert_int_equal(cn_outfile_create(first, &f, &err), CN_ERR_IO);
    assert_int_equal(errno, ELOOP);
    assert_non_null(strstr(err.text, first));
    assert_null(f);
    unlink(first);
    unlink(second);
    assert_int_equal(rmdir(folder), 0);
    assert_nothing_left();
}

/* A file that only a descriptor holds. */
static void test_a_lost_name(void **state)
{
    (void)state;
    struct cn_outfile *f = NULL;
    struct cn_error err;
    char name[64];
    FILE *open = fopen(path, "w");
    assert_non_null(open);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fileno(open));
    write_through(name, "by number");
    assert_holds("by number");
    assert_int_equal(cn_outfile_create(name, &f, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no name"));
    assert_null(f);
    fclose(open);
    assert_nothing_left();
}

static void test_what_is_to_be_spared(void **state)
{
    (void)state;
    struct cn_error err;
    char part[3][96], other[96];
    for (int i = 0; i < 3; i++) {
        snprintf(part[i], sizeof part[i], "%s/m-%05d-of-00003.gguf", dir, i + 1);
        assert_int_equal(close(creat(part[i], 0600)), 0);
    }
    snprintf(other, sizeof other, "%s/m-00004-of-00003.gguf", dir);
    put("x");
    assert_int_equal(cn_outfile_spare(path, part[0], &err), CN_OK);
    assert_int_equal(cn_outfile_spare(NULL, path, &err), CN_OK);
    assert_int_equal(cn_outfile_spare(path, NULL, &err), CN_OK);
    assert_int_equal(cn_outfile_spare(other, other, &err), CN_OK); /* neither is there */
    assert_int_equal(cn_outfile_spare(path, path, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, path));
    for (int i = 0; i < 3; i++)
        assert_int_equal(cn_outfile_spare(part[i], part[0], &err), CN_ERR_ARGUMENT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(part[2], path), 0);
    assert_true(cn_same_file(part[2], path) && !cn_same_file(part[1], path));
    assert_int_equal(cn_outfile_spare(path, part[0], &err), CN_ERR_ARGUMENT);
    for (int i = 0; i < 3; i++)
        unlink(part[i]);
    assert_int_equal(cn_outfile_probe(path, &err), CN_OK);
    assert_nothing_left();
    assert_int_equal(cn_outfile_probe(dir, &err), CN_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_name_changes_hands_at_the_end),
        cmocka_unit_test(test_two_writers_of_one_name),
        cmocka_unit_test(test_sealed),
        cmocka_unit_test(test_new_names_only),
        cmocka_unit_test(test_a_set),
        cmocka_unit_test(test_a_set_that_cannot_come),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_a_lost_name),
        cmocka_unit_test(test_what_is_to_be_spared),
    };
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/out", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return failed;
}

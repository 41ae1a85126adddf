/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/gguf.h"

static char dir[] = "/tmp/cn-writer-XXXXXX";
static char path[128];

static int n_files(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void remove_files(void)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char name[512];
        snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            unlink(name);
    }
    closedir(d);
}

static struct cn_gguf_writer *create(void)
{
    struct cn_gguf_writer *w = NULL;
    struct cn_error err;
    if (cn_gguf_writer_create(path, &w, &err) != CN_OK)
        fail_msg("%s", err.text);
    return w;
}

static const int64_t small_ne[2] = { 5, 3 }, big_ne[1] = { 300000 };
enum { SMALL_BYTES = 60, BIG_BYTES = 1200000 }; /* the big one goes past the writer's buffer */

static void describe(struct cn_gguf_writer *w)
{
    static const uint8_t strings[] = { 1, 0, 0, 0, 0, 0, 0, 0, 'x', 0, 0, 0, 0, 0, 0, 0, 0 };
    static const int16_t shorts[3] = { -1, 0, 300 };
    cn_gguf_writer_str(w, "general.architecture", "test");
    cn_gguf_writer_u32(w, "u32", UINT32_MAX);
    cn_gguf_writer_tensor(w, "small", 0, 2, small_ne, SMALL_BYTES);
    cn_gguf_writer_i32(w, "i32", -7);
    cn_gguf_writer_f32(w, "f32", 0.1f);
    cn_gguf_writer_bool(w, "yes", true);
    cn_gguf_writer_bool(w, "no", false);
    cn_gguf_writer_array(w, "strings", CN_GGUF_STRING, 2, strings, sizeof strings);
    cn_gguf_writer_array(w, "shorts", CN_GGUF_I16, 3, shorts, sizeof shorts);
    cn_gguf_writer_array(w, "none", CN_GGUF_F32, 0, NULL, 0);
    cn_gguf_writer_tensor(w, "big", 26, 1, big_ne, BIG_BYTES);
    cn_gguf_writer_tensor(w, "last", 0, 2, small_ne, SMALL_BYTES);
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static void write_pattern(struct cn_gguf_writer *w, size_t n, size_t piece)
{
    uint8_t *p = malloc(piece);
    assert_non_null(p);
    for (size_t at = 0; at < n; at += piece) {
        size_t now = n - at < piece ? n - at : piece;
        for (size_t i = 0; i < now; i++)
            p[i] = pattern(at + i);
        cn_gguf_writer_data(w, p, now);
    }
    free(p);
}

static void check_pattern(const struct cn_gguf *g, const char *name, size_t n)
{
    const struct cn_gguf_tensor *t = cn_gguf_tensor(g, name);
    assert_non_null(t);
    assert_int_equal(t->bytes, n);
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)t->data)[i] != pattern(i))
            fail_msg("tensor %s differs at byte %zu", name, i);
}

static void write_file(size_t piece)
{
    struct cn_error err;
    struct cn_gguf_writer *w = create();
    describe(w);
    write_pattern(w, SMALL_BYTES, 7);
    write_pattern(w, BIG_BYTES, piece);
    cn_gguf_writer_data(w, NULL, 0);
    write_pattern(w, SMALL_BYTES, SMALL_BYTES);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing under the name before the end */
    assert_int_equal(n_files(), 1);
    if (cn_gguf_writer_finish(w, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(n_files(), 1);
}

/* What the reader finds is what was written, whatever the size of the pieces. */
static void file_is_read_back(void **state)
{
    static const size_t pieces[] = { 13, 4096, 1 << 18, BIG_BYTES };
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct cn_gguf g;
        struct cn_error err;
        int64_t value = 0;
        float f = 0;
        bool yes = false, no = true;
        struct stat st;
        write_file(pieces[i]);
        if (cn_gguf_open(path, &g, &err) != CN_OK)
            fail_msg("%s", err.text);
        assert_int_equal(g.version, 3);
        assert_int_equal(g.n_kv, 9);
        assert_int_equal(g.n_tensors, 3);
        assert_int_equal(cn_gguf_get_i64(&g, "u32", 0, UINT32_MAX, &value, NULL), CN_OK);
        assert_int_equal(value, UINT32_MAX);
        assert_int_equal(cn_gguf_get_i64(&g, "i32", -9, 0, &value, NULL), CN_OK);
        assert_int_equal(value, -7);
        assert_int_equal(cn_gguf_get_f32(&g, "f32", &f, NULL), CN_OK);
        assert_true(f == 0.1f);
        assert_int_equal(cn_gguf_get_bool(&g, "yes", &yes, NULL), CN_OK);
        assert_int_equal(cn_gguf_get_bool(&g, "no", &no, NULL), CN_OK);
        assert_true(yes && !no);
        assert_int_equal(cn_gguf_find(&g, "strings")->n, 2);
        assert_int_equal(cn_gguf_elem_i64(cn_gguf_find(&g, "shorts"), 2), 300);
        assert_int_equal(cn_gguf_find(&g, "none")->n, 0);
        check_pattern(&g, "small", SMALL_BYTES);
        check_pattern(&g, "big", BIG_BYTES);
        check_pattern(&g, "last", SMALL_BYTES);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size % 32, 0); /* the last tensor is padded too */
        cn_gguf_close(&g);
        remove_files();
    }
}

/* Pairs copied from another file are the same bytes, and its alignment is kept. */
static void pairs_are_copied(void **state)
{
    static const int64_t ne[1] = { 8 };
    static const float data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct cn_gguf in, out;
    struct cn_gguf_writer *w = create();
    struct cn_error err;
    (void)state;
    cn_gguf_writer_u32(w, "general.alignment", 1024);
    cn_gguf_writer_tensor(w, "a", 0, 1, ne, sizeof data);
    cn_gguf_writer_tensor(w, "b", 0, 1, ne, sizeof data);
    cn_gguf_writer_data(w, data, sizeof data);
    cn_gguf_writer_data(w, data, sizeof data);
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    assert_int_equal(cn_gguf_open(path, &out, &err), CN_OK);
    assert_int_equal(out.alignment, 1024);
    assert_int_equal((const char *)out.tensors[1].data - (const char *)out.tensors[0].data, 1024);
    cn_gguf_close(&out);

    assert_int_equal(cn_gguf_open("tests/fixtures/bad/good-bpe.gguf", &in, &err), CN_OK);
    w = create();
    for (int64_t i = 0; i < in.n_kv; i++)
        cn_gguf_writer_raw(w, &in.kv[i]);
    for (int64_t i = 0; i < in.n_tensors; i++) {
        char name[64];
        const struct cn_gguf_tensor *t = &in.tensors[i];
        snprintf(name, sizeof name, "%.*s", (int)t->name.n, t->name.p);
        cn_gguf_writer_tensor(w, name, t->gguf_type, t->n_dims, t->ne, t->bytes);
    }
    for (int64_t i = 0; i < in.n_tensors; i++)
        cn_gguf_writer_data(w, in.tensors[i].data, in.tensors[i].bytes);
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    assert_int_equal(cn_gguf_open(path, &out, &err), CN_OK);
    assert_int_equal(out.n_kv, in.n_kv);
    assert_int_equal(out.n_tensors, in.n_tensors);
    for (int64_t i = 0; i < in.n_kv; i++) {
        assert_int_equal(out.kv[i].raw_bytes, in.kv[i].raw_bytes);
        assert_memory_equal(out.kv[i].raw, in.kv[i].raw, in.kv[i].raw_bytes);
    }
    for (int64_t i = 0; i < in.n_tensors; i++) {
        assert_int_equal(out.tensors[i].bytes, in.tensors[i].bytes);
        assert_memory_equal(out.tensors[i].data, in.tensors[i].data, in.tensors[i].bytes);
    }
    cn_gguf_close(&out);
    cn_gguf_close(&in);
    remove_files();
}

static void empty_file_is_written(void **state)
{
    struct cn_gguf g;
    struct cn_error err;
    struct cn_gguf_writer *w = create();
    (void)state;
    cn_gguf_writer_str(w, "general.type", "model");
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    assert_int_equal(cn_gguf_open(path, &g, &err), CN_OK);
    assert_int_equal(g.n_tensors, 0);
    assert_int_equal(g.n_kv, 1);
    cn_gguf_close(&g);
    remove_files();
}

static void abandoned_file_is_gone(void **state)
{
    struct cn_gguf_writer *w = create(), *other = create(); /* a second one does not disturb */
    (void)state;
    assert_int_equal(n_files(), 2);
    describe(w);
    write_pattern(w, SMALL_BYTES, SMALL_BYTES);
    write_pattern(w, BIG_BYTES / 2, 1000);
    cn_gguf_writer_abandon(w);
    assert_int_equal(n_files(), 1);
    cn_gguf_writer_abandon(other);
    cn_gguf_writer_abandon(NULL);
    assert_int_equal(n_files(), 0);
}

/* A limit on file sizes stands in for a full disk: the same path, another errno. */
static void full_disk_is_reported(void **state)
{
    struct rlimit limit, small = { 700000, 700000 };
    struct cn_error err;
    struct cn_gguf_writer *w = create();
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    describe(w);
    write_pattern(w, SMALL_BYTES, SMALL_BYTES);
    write_pattern(w, BIG_BYTES, 50000);
    write_pattern(w, SMALL_BYTES, SMALL_BYTES);
    enum cn_status status = cn_gguf_writer_finish(w, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, CN_ERR_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    assert_int_equal(n_files(), 0);
}

static void bad_places_are_refused(void **state)
{
    struct cn_gguf_writer *w = NULL;
    struct cn_error err;
    char missing[160];
    (void)state;
    snprintf(missing, sizeof missing, "%s/pipe", dir);
    assert_int_equal(mkfifo(missing, 0600), 0);
    assert_int_equal(cn_gguf_writer_create(missing, &w, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, missing));
    assert_int_equal(unlink(missing), 0);
    assert_int_equal(cn_gguf_writer_create(dir, &w, &err), CN_ERR_ARGUMENT);
    snprintf(missing, sizeof missing, "%s/no/such/place.gguf", dir);
    assert_int_equal(cn_gguf_writer_create(missing, &w, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "no/such/place.gguf"));
    assert_null(w);
}

/* Killed while writing: the file that was there before is untouched. */
static void killed_writer_leaves_the_old_file(void **state)
{
    struct stat st;
    struct cn_gguf g;
    struct cn_error err;
    int status;
    (void)state;
    write_file(4096);
    assert_int_equal(stat(path, &st), 0);
    off_t size = st.st_size;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct cn_gguf_writer *w = NULL;
        if (cn_gguf_writer_create(path, &w, NULL) == CN_OK) {
            describe(w);
            write_pattern(w, SMALL_BYTES, SMALL_BYTES);
            write_pattern(w, BIG_BYTES - 1, 1000);
            raise(SIGKILL);
        }
        _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, size);
    assert_int_equal(cn_gguf_open(path, &g, &err), CN_OK);
    check_pattern(&g, "big", BIG_BYTES);
    cn_gguf_close(&g);
    remove_files();
}

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/out.gguf", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    remove_files();
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_read_back),
        cmocka_unit_test(pairs_are_copied),
        cmocka_unit_test(empty_file_is_written),
        cmocka_unit_test(abandoned_file_is_gone),
        cmocka_unit_test(full_disk_is_reported),
        cmocka_unit_test(bad_places_are_refused),
        cmocka_unit_test(killed_writer_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* SPDX-License-Identifier: MIT */
#include "engine/make/imatrix_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/gguf.h"

/* ---- a .dat file made by hand ---------------------------------------------------------------- */

struct bytes {
    uint8_t p[4096];
    size_t n;
};

static void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(b->n + n <= sizeof b->p);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_i32(struct bytes *b, int32_t v)
{
    put(b, &v, sizeof v);
}

static void put_entry(struct bytes *b, const char *name, int32_t n_calls, int32_t n,
                      const float *values)
{
    put_i32(b, (int32_t)strlen(name));
    put(b, name, strlen(name));
    put_i32(b, n_calls);
    put_i32(b, n);
    put(b, values, (size_t)n * sizeof(float));
}

/* Two entries; of the second no call is noted. */
static void make_dat(struct bytes *b)
{
    static const float q[4] = { 10, 20, 30, 40 }, down[6] = { 1, 2, 3, 4, 5, 6 };
    b->n = 0;
    put_i32(b, 2);
    put_entry(b, "blk.0.attn_q.weight", 10, 4, q);
    put_entry(b, "a.weight", 0, 6, down);
    put_i32(b, 77);
    put_i32(b, 8);
    put(b, "text.txt", 8);
}

static void check_dat(const struct cn_imatrix *im)
{
    float mean[6];
    assert_int_equal(im->n_entries, 2);
    assert_int_equal(im->n_chunks, 77);
    assert_int_equal(im->n_datasets, 1);
    assert_string_equal(im->datasets[0], "text.txt");
    struct cn_imatrix_entry *e = cn_imatrix_find(im, "blk.0.attn_q.weight");
    assert_non_null(e);
    cn_imatrix_mean(e, mean);
    for (int i = 0; i < 4; i++)
        assert_true(mean[i] == (float)(i + 1));
    e = cn_imatrix_find(im, "a.weight");
    assert_non_null(e);
    cn_imatrix_mean(e, mean);
    for (int i = 0; i < 6; i++)
        assert_true(mean[i] == (float)(i + 1));
    assert_null(cn_imatrix_find(im, "b.weight"));
    assert_null(cn_imatrix_find(im, ""));
}

static void test_dat(void **state)
{
    (void)state;
    struct bytes b;
    struct cn_imatrix im;
    struct cn_error err;
    make_dat(&b);
    assert_int_equal(cn_imatrix_parse(b.p, b.n, "x", &im, &err), CN_OK);
    check_dat(&im);
    cn_imatrix_free(&im);
    /* Older files end after the last entry, or after the number of chunks. */
    assert_int_equal(cn_imatrix_parse(b.p, b.n - 16, "x", &im, &err), CN_OK);
    assert_int_equal(im.n_chunks, 0);
    cn_imatrix_free(&im);
    assert_int_equal(cn_imatrix_parse(b.p, b.n - 12, "x", &im, &err), CN_OK);
    assert_int_equal(im.n_chunks, 77);
    cn_imatrix_free(&im);
}

static void refuse(const struct bytes *b, const char *message)
{
    struct cn_imatrix im;
    struct cn_error err = { "" };
    assert_int_equal(cn_imatrix_parse(b->p, b->n, "file.dat", &im, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "file.dat"));
    if (!strstr(err.text, message))
        fail_msg("\"%s\" does not say \"%s\"", err.text, message);
}

static void test_bad_dat(void **state)
{
    (void)state;
    static const float good[2] = { 1, 2 }, nan_value[2] = { 1, NAN }, negative[2] = { -1, 1 };
    struct bytes b = { .n = 0 };
    refuse(&b, "number of entries");
    put_i32(&b, 0);
    refuse(&b, "at least 1");
    b.n = 0;
    put_i32(&b, INT32_MAX); /* announces far more than there is */
    put_entry(&b, "a", 1, 2, good);
    refuse(&b, "file ends");
    b.n = 0;
    put_i32(&b, 1);
    put_i32(&b, INT32_MAX);
    refuse(&b, "are left");
    b.n = 0;
    put_i32(&b, 1);
    put_entry(&b, "a", 1, 2, nan_value);
    refuse(&b, "not a number");
    b.n = 0;
    put_i32(&b, 1);
    put_entry(&b, "a", 1, 2, negative);
    refuse(&b, "negative");
    b.n = 0;
    put_i32(&b, 2);
    put_entry(&b, "a", 1, 2, good);
    put_entry(&b, "a", 1, 2, good);
    refuse(&b, "two entries");
    b.n = 0;
    put_i32(&b, 1);
    put_i32(&b, 3);
    put(&b, "a\0b", 3);
    put_i32(&b, 1);
    put_i32(&b, 2);
    put(&b, good, sizeof good);
    refuse(&b, "NUL");
}

/* ---- the GGUF format ------------------------------------------------------------------------- */

static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/imatrix_test_%ld.gguf", (long)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

/* One plain matrix and one of two experts, the second of which saw nothing. */
static void make(struct cn_imatrix *im)
{
    *im = (struct cn_imatrix){ .n_chunks = 3, .chunk_size = 512 };
    struct cn_imatrix_entry *e = cn_imatrix_add(im, "blk.1.ffn_down_exps.weight", 3, 2);
    assert_non_null(e);
    e->count[0] = 4;
    for (int i = 0; i < 3; i++)
        e->sum2[i] = 8 * (i + 1);
    e = cn_imatrix_add(im, "blk.0.attn_q.weight", 4, 1);
    assert_non_null(e);
    e->count[0] = 2;
    for (int i = 0; i < 4; i++)
        e->sum2[i] = i;
    assert_true(cn_imatrix_add_dataset(im, "one.txt"));
    assert_true(cn_imatrix_add_dataset(im, "two.txt"));
    static const int32_t tokens[3] = { 1, 5, 9 };
    assert_true(cn_imatrix_add_sample(im, tokens, 3));
    /* Asked again: the same entry; with other sizes: none. */
    assert_ptr_equal(cn_imatrix_add(im, "blk.0.attn_q.weight", 4, 1), e);
    assert_null(cn_imatrix_add(im, "blk.0.attn_q.weight", 2, 2));
}

static void test_gguf_round_trip(void **state)
{
    (void)state;
    struct cn_imatrix im, back;
    struct cn_error err;
    float mean[6];
    make(&im);
    assert_int_equal(cn_imatrix_write(path, &im, &err), CN_OK);
    cn_imatrix_free(&im);
    assert_int_equal(im.n_entries, 0);
    assert_int_equal(cn_imatrix_write(path, &im, &err), CN_ERR_ARGUMENT);

    assert_int_equal(cn_imatrix_read(path, &back, &err), CN_OK);
    assert_int_equal(back.n_entries, 2);
    assert_int_equal(back.n_chunks, 3);
    assert_int_equal(back.chunk_size, 512);
    assert_int_equal(back.n_datasets, 2);
    assert_string_equal(back.datasets[1], "two.txt");
    assert_int_equal(back.n_sample, 3);
    assert_int_equal(back.sample[2], 9);
    struct cn_imatrix_entry *e = cn_imatrix_find(&back, "blk.1.ffn_down_exps.weight");
    assert_non_null(e);
    assert_int_equal(e->n_cols, 3);
    assert_int_equal(e->n_matrices, 2);
    cn_imatrix_mean(e, mean);
    static const float want[6] = { 2, 4, 6, 1, 1, 1 };
    assert_memory_equal(mean, want, sizeof want);
    cn_imatrix_free(&back);

    /* The container says what section 6 of the format's description asks for. */
    struct cn_gguf g;
    assert_int_equal(cn_gguf_open(path, &g, &err), CN_OK);
    const struct cn_gguf_tensor *t = cn_gguf_tensor(&g, "blk.1.ffn_down_exps.weight.counts");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->ne[0], 1);
    assert_int_equal(t->ne[1], 2);
    cn_gguf_close(&g);
}

static void test_merge(void **state)
{
    (void)state;
    struct cn_imatrix sum = { 0 }, a, b;
    struct cn_error err;
    struct bytes bytes;
    make(&a);
    make(&b);
    cn_imatrix_find(&b, "blk.0.attn_q.weight")->count[0] = 6;
    assert_int_equal(cn_imatrix_merge(&sum, &a, &err), CN_OK);
    assert_int_equal(cn_imatrix_merge(&sum, &b, &err), CN_OK);
    assert_int_equal(sum.n_chunks, 6);
    assert_int_equal(sum.n_datasets, 2); /* the same texts twice */
    assert_int_equal(sum.n_sample, 6);
    assert_int_equal(sum.sample[5], 9);
    struct cn_imatrix_entry *e = cn_imatrix_find(&sum, "blk.0.attn_q.weight");
    assert_true(e->count[0] == 8 && e->sum2[3] == 6);
    e = cn_imatrix_find(&sum, "blk.1.ffn_down_exps.weight");
    assert_true(e->count[0] == 8 && e->count[1] == 0 && e->sum2[2] == 48);
    cn_imatrix_free(&sum);
    cn_imatrix_free(&b);

    /* Of another model the tokens may be others: no sample. */
    make(&b);
    memset(b.model_sha256, 'b', sizeof b.model_sha256 - 1);
    assert_int_equal(cn_imatrix_merge(&sum, &a, &err), CN_OK);
    assert_int_equal(cn_imatrix_merge(&sum, &b, &err), CN_OK);
    assert_int_equal(sum.n_sample, 0);
    cn_imatrix_free(&sum);
    cn_imatrix_free(&b);

    /* With a .dat file, either way round: its 10 calls weigh 10 chunks of 512 tokens. */
    for (int way = 0; way < 2; way++) {
        make_dat(&bytes);
        assert_int_equal(cn_imatrix_parse(bytes.p, bytes.n, "x", &b, &err), CN_OK);
        assert_int_equal(cn_imatrix_merge(&sum, way ? &b : &a, &err), CN_OK);
        assert_int_equal(cn_imatrix_merge(&sum, way ? &a : &b, &err), CN_OK);
        assert_int_equal(sum.chunk_size, 512);
        e = cn_imatrix_find(&sum, "blk.0.attn_q.weight");
        assert_true(e->count[0] == 2 + 5120 && e->sum2[3] == 3 + 40 * 512);
        cn_imatrix_free(&sum);
        cn_imatrix_free(&b);
    }

    /* A .dat entry takes the split into experts from the other file. */
    static const float six[6] = { 1, 2, 3, 4, 5, 6 };
    for (int way = 0; way < 2; way++) {
        bytes.n = 0;
        put_i32(&bytes, 1);
        put_entry(&bytes, "blk.1.ffn_down_exps.weight", 1, 6, six);
        assert_int_equal(cn_imatrix_parse(bytes.p, bytes.n, "x", &b, &err), CN_OK);
        assert_int_equal(cn_imatrix_merge(&sum, way ? &b : &a, &err), CN_OK);
        assert_int_equal(cn_imatrix_merge(&sum, way ? &a : &b, &err), CN_OK);
        e = cn_imatrix_find(&sum, "blk.1.ffn_down_exps.weight");
        assert_int_equal(e->n_matrices, 2);
        assert_true(e->count[0] == 516 && e->count[1] == 512 && e->sum2[5] == 6 * 512);
        cn_imatrix_free(&sum);
        cn_imatrix_free(&b);
    }

    /* Other sizes are refused. */
    bytes.n = 0;
    put_i32(&bytes, 1);
    put_entry(&bytes, "blk.0.attn_q.weight", 1, 6, six);
    assert_int_equal(cn_imatrix_parse(bytes.p, bytes.n, "x", &b, &err), CN_OK);
    assert_int_equal(cn_imatrix_merge(&a, &b, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "blk.0.attn_q.weight"));
    cn_imatrix_free(&a);
    cn_imatrix_free(&b);
}

/* Writes a GGUF of two tensors and says what the reader makes of it. */
static enum cn_status read_odd(const char *type, const char *sum2, const int64_t *sum2_shape,
                               const char *count, const int64_t *count_shape, uint32_t count_type,
                               float value, struct cn_error *err)
{
    struct cn_gguf_writer *w;
    struct cn_imatrix im;
    assert_int_equal(cn_gguf_writer_create(path, &w, err), CN_OK);
    cn_gguf_writer_str(w, "general.type", type);
    int64_t n[2] = { sum2_shape[0] * sum2_shape[1], count_shape[0] * count_shape[1] };
    size_t bytes[2] = { (size_t)n[0] * 4, (size_t)n[1] * (count_type == 0 ? 4 : 2) };
    cn_gguf_writer_tensor(w, sum2, 0, 2, sum2_shape, bytes[0]);
    cn_gguf_writer_tensor(w, count, count_type, 2, count_shape, bytes[1]);
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < bytes[t]; i += t && count_type ? 2 : 4)
            cn_gguf_writer_data(w, &value, t && count_type ? 2 : 4);
    assert_int_equal(cn_gguf_writer_finish(w, err), CN_OK);
    enum cn_status status = cn_imatrix_read(path, &im, err);
    if (status == CN_OK)
        cn_imatrix_free(&im);
    return status;
}

/* A file whose sample is an array of n such elements. */
static enum cn_status read_sample(enum cn_gguf_type type, size_t n, struct cn_error *err)
{
    static const uint8_t zeros[4 * (CN_IMATRIX_SAMPLE + 1)];
    static const int64_t shape[2] = { 1, 1 };
    const float one = 1;
    struct cn_gguf_writer *w;
    struct cn_imatrix im;
    assert_int_equal(cn_gguf_writer_create(path, &w, err), CN_OK);
    cn_gguf_writer_str(w, "general.type", "imatrix");
    cn_gguf_writer_array(w, "imatrix.text_sample", type, n, zeros, 4 * n);
    cn_gguf_writer_tensor(w, "a.in_sum2", 0, 2, shape, sizeof one);
    cn_gguf_writer_tensor(w, "a.counts", 0, 2, shape, sizeof one);
    for (int t = 0; t < 2; t++)
        cn_gguf_writer_data(w, &one, sizeof one);
    assert_int_equal(cn_gguf_writer_finish(w, err), CN_OK);
    enum cn_status status = cn_imatrix_read(path, &im, err);
    if (status == CN_OK) {
        assert_int_equal(im.n_sample, n);
        cn_imatrix_free(&im);
    }
    return status;
}

static void test_bad_sample(void **state)
{
    (void)state;
    struct cn_error err;
    assert_int_equal(read_sample(CN_GGUF_I32, 0, &err), CN_OK);
    assert_int_equal(read_sample(CN_GGUF_I32, CN_IMATRIX_SAMPLE, &err), CN_OK);
    assert_int_equal(read_sample(CN_GGUF_I32, CN_IMATRIX_SAMPLE + 1, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "imatrix.text_sample"));
    assert_int_equal(read_sample(CN_GGUF_F32, 4, &err), CN_ERR_FORMAT);
}

static void test_bad_gguf(void **state)
{
    (void)state;
    struct cn_error err;
    struct cn_imatrix im;
    static const int64_t k2[2] = { 4, 2 }, c2[2] = { 1, 2 }, c1[2] = { 1, 1 }, wrong[2] = { 2, 1 };
    const char *sum2 = "a.in_sum2", *count = "a.counts";
    assert_int_equal(read_odd("imatrix", sum2, k2, count, c2, 0, 1, &err), CN_OK);
    assert_int_equal(read_odd("model", sum2, k2, count, c2, 0, 1, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "expected imatrix"));
    assert_int_equal(read_odd("imatrix", sum2, k2, count, c1, 0, 1, &err), CN_ERR_FORMAT);
    assert_int_equal(read_odd("imatrix", sum2, k2, count, wrong, 0, 1, &err), CN_ERR_FORMAT);
    assert_int_equal(read_odd("imatrix", sum2, k2, "b.counts", c2, 0, 1, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "a.counts"));
    assert_int_equal(read_odd("imatrix", "a", k2, count, c2, 0, 1, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "no importance data"));
    assert_int_equal(read_odd("imatrix", sum2, k2, count, c2, 1, 1, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "F32"));
    assert_int_equal(read_odd("imatrix", sum2, k2, count, c2, 0, INFINITY, &err), CN_ERR_FORMAT);
    assert_int_equal(cn_imatrix_read("/no/such/file", &im, &err), CN_ERR_IO);
    assert_int_equal(cn_imatrix_read("/", &im, &err), CN_ERR_FORMAT);
}

/* Every truncation and every single damaged byte: read or refused, under the sanitizers nothing
 * else. */
static void test_damage(void **state)
{
    (void)state;
    struct bytes files[2];
    struct cn_imatrix im;
    struct cn_error err;
    make_dat(&files[0]);
    make(&im);
    assert_int_equal(cn_imatrix_write(path, &im, &err), CN_OK);
    cn_imatrix_free(&im);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    files[1].n = fread(files[1].p, 1, sizeof files[1].p, f);
    fclose(f);
    int n_read = 0, n_refused = 0;
    for (int i = 0; i < 2; i++) {
        for (size_t cut = 0; cut < files[i].n; cut++) {
            void *copy = malloc(cut + 1); /* so that reading beyond is seen */
            memcpy(copy, files[i].p, cut);
            enum cn_status s = cn_imatrix_parse(copy, cut, "cut", &im, &err);
            if (s == CN_OK)
                cn_imatrix_free(&im);
            s == CN_OK ? n_read++ : n_refused++;
            free(copy);
        }
        for (size_t at = 0; at < files[i].n; at++)
            for (int bit = 0; bit < 8; bit++) {
                files[i].p[at] ^= (uint8_t)(1 << bit);
                enum cn_status s = cn_imatrix_parse(files[i].p, files[i].n, "bit", &im, &err);
                if (s == CN_OK)
                    cn_imatrix_free(&im);
                s == CN_OK ? n_read++ : n_refused++;
                files[i].p[at] ^= (uint8_t)(1 << bit);
            }
    }
    assert_true(n_read > 100 && n_refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dat),
        cmocka_unit_test(test_bad_dat),
        cmocka_unit_test(test_gguf_round_trip),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_bad_gguf),
        cmocka_unit_test(test_bad_sample),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}

/* SPDX-License-Identifier: MIT
 *
 * Tensor types and file types by their ids, and files that hold one tensor of each of the newer
 * types, made by the tools that those come from.
 */
#include "base/sha256.h"
#include "engine/gguf/gguf.h"
#include "quant/quant.h"
#include "tests/shared_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[64];

static int make_name(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/gguf_types_XXXXXX");
    const int fd = mkstemp(file);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file);
}

/* What a file calls itself that says file_type and has n_q1_0 and n_q2_0 tensors of those types. */
static const char *called(uint32_t file_type, int n_q1_0, int n_q2_0, int64_t *id)
{
    struct cn_gguf_writer *w;
    struct cn_gguf g;
    struct cn_error err;
    static const uint8_t zeros[36];
    const int64_t ne[1] = { 128 };
    assert_int_equal(cn_gguf_writer_create(file, &w, &err), CN_OK);
    cn_gguf_writer_u32(w, "general.file_type", file_type);
    for (int i = 0; i < n_q1_0 + n_q2_0; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        cn_gguf_writer_tensor(w, name, i < n_q1_0 ? 41 : 42, 1, ne, i < n_q1_0 ? 18 : 36);
    }
    for (int i = 0; i < n_q1_0 + n_q2_0; i++)
        cn_gguf_writer_data(w, zeros, i < n_q1_0 ? 18 : 36);
    assert_int_equal(cn_gguf_writer_finish(w, &err), CN_OK);
    assert_int_equal(cn_gguf_open(file, &g, &err), CN_OK);
    const struct cn_file_type *type = cn_gguf_file_type(&g, id);
    cn_gguf_close(&g);
    return type ? type->name : NULL;
}

static void test_file_types(void **state)
{
    (void)state;
    int64_t id;
    assert_string_equal(called(41, 0, 2, &id), "Q2_0");
    assert_string_equal(called(41, 2, 1, &id), "Q1_0");
    assert_string_equal(called(41 | 1024, 2, 0, &id), "Q1_0");
    assert_int_equal(id, 41 | 1024);
    assert_string_equal(called(40, 1, 2, &id), "Q1_0");
    assert_string_equal(called(140, 1, 0, &id), "IQ4_K");
    assert_string_equal(called(39, 1, 0, &id), "NVFP4");
    assert_null(called(12345, 1, 0, &id));
    assert_int_equal(id, 12345);
}

static void test_interleaved(void **state)
{
    (void)state;
    const struct cn_gguf_foreign *f = cn_gguf_foreign_by_name("iq4_ks_r4");
    assert_true(f && f == cn_gguf_foreign(344) && f->kind == CN_GGUF_INTERLEAVED);
    assert_string_equal(f->base, "IQ4_KS");
    assert_string_equal(cn_gguf_type_name(353), "MXFP4_R8");
    assert_null(cn_gguf_foreign_by_name("IQ4_KS"));
    /* Another encoding, in spite of the name. */
    assert_int_equal(cn_gguf_foreign(219)->kind, CN_GGUF_ABSENT);
}

static void hex_of(const void *bytes, size_t n, char hex[CN_SHA256_HEX])
{
    struct cn_sha256 h;
    cn_sha256_begin(&h);
    cn_sha256_add(&h, bytes, n);
    cn_sha256_end(&h, hex);
}

/* One line of a list: tensor, type id, type, row length, rows, offset, bytes, SHA-256 of the bytes
 * and of the values. By the definition and by every tier of this machine. */
static void check_tensor(const struct cn_gguf *g, const char *line)
{
    char name[64], type[16], of_bytes[80], of_values[80], hex[CN_SHA256_HEX];
    long id, cols, rows, offset, bytes;
    assert_int_equal(sscanf(line, "%63[^,],%ld,%15[^,],%ld,%ld,%ld,%ld,%79[^,],%64s", name, &id,
                            type, &cols, &rows, &offset, &bytes, of_bytes, of_values),
                     9);
    const struct cn_gguf_tensor *t = cn_gguf_tensor(g, name);
    assert_non_null(t);
    assert_non_null(t->format);
    assert_string_equal(t->format->name, type);
    assert_int_equal(t->gguf_type, id);
    assert_int_equal(t->bytes, bytes);
    assert_int_equal(t->ne[0], cols);
    assert_int_equal(t->n_elems, cols * rows);
    hex_of(t->data, t->bytes, hex);
    assert_string_equal(hex, of_bytes);
    const size_t row_bytes = cn_row_bytes(t->format, cols);
    const uint32_t machine = cn_tiers_detect();
    float *x = malloc((size_t)t->n_elems * sizeof *x);
    assert_non_null(x);
    for (int tier = -1; tier < CN_N_TIERS; tier++) {
        if (tier >= 0 && !(machine >> tier & 1))
            continue;
        const uint32_t tiers = tier < 0 ? 0 : machine & ((2u << tier) - 1);
        const struct cn_kernels kernels = cn_kernels_for(t->format, tiers);
        for (long r = 0; r < rows; r++) {
            const uint8_t *row = (const uint8_t *)t->data + (size_t)r * row_bytes;
            if (tier < 0)
                t->format->ref->dequantize(cols, row, x + r * cols);
            else
                cn_dequantize_with(&kernels, t->format, cols, row, x + r * cols);
        }
        hex_of(x, (size_t)t->n_elems * sizeof *x, hex);
        if (strcmp(hex, of_values) != 0)
            fail_msg("%s (%s), tier %d: other values", name, type, tier);
    }
    free(x);
}

/* Files with one tensor of each type. */
static void test_files_of_each_type(void **state)
{
    static const struct {
        const char *name;
        int n_tensors;
    } files[] = {
        {"qwen2-256-ikmix",  15},
        { "qwen2-256-lcmix", 15}
    };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64], path[300], line[400];
        struct cn_gguf g;
        struct cn_error err;
        int n = 0;
        snprintf(name, sizeof name, "formats/gguf2/%s.csv", files[i].name);
        if (!shared_data(path, sizeof path, name))
            skip();
        FILE *csv = fopen(path, "r");
        assert_non_null(csv);
        snprintf(name, sizeof name, "formats/gguf2/%s.gguf", files[i].name);
        assert_true(shared_data(path, sizeof path, name));
        assert_int_equal(cn_gguf_open(path, &g, &err), CN_OK);
        assert_non_null(fgets(line, sizeof line, csv)); /* column names */
        for (; fgets(line, sizeof line, csv); n++)
            check_tensor(&g, line);
        assert_int_equal(n, files[i].n_tensors);
        cn_gguf_close(&g);
        fclose(csv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_types),
        cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_files_of_each_type),
    };
    return cmocka_run_group_tests(tests, make_name, remove_file);
}

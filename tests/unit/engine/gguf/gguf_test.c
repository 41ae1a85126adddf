/* SPDX-License-Identifier: MIT */
#include "engine/gguf/gguf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- building files byte by byte, right or wrong ------------------------------------------ */

struct bytes {
    uint8_t p[1 << 17];
    size_t n;
};

static void add(struct bytes *b, const void *p, size_t n)
{
    assert_true(n <= sizeof b->p - b->n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void add_u32(struct bytes *b, uint32_t v)
{
    add(b, &v, sizeof v);
}

static void add_u64(struct bytes *b, uint64_t v)
{
    add(b, &v, sizeof v);
}

static void add_str(struct bytes *b, const char *s)
{
    add_u64(b, strlen(s));
    add(b, s, strlen(s));
}

static void add_header(struct bytes *b, uint64_t n_tensors, uint64_t n_kv)
{
    b->n = 0;
    add(b, "GGUF", 4);
    add_u32(b, 3);
    add_u64(b, n_tensors);
    add_u64(b, n_kv);
}

static void add_kv(struct bytes *b, const char *key, enum cn_gguf_type type, const void *value,
                   size_t n)
{
    add_str(b, key);
    add_u32(b, type);
    add(b, value, n);
}

static void add_tensor(struct bytes *b, const char *name, int64_t ne0, int64_t ne1, uint32_t type,
                       uint64_t offset)
{
    add_str(b, name);
    add_u32(b, 2);
    add_u64(b, (uint64_t)ne0);
    add_u64(b, (uint64_t)ne1);
    add_u32(b, type);
    add_u64(b, offset);
}

static void add_data(struct bytes *b, size_t n)
{
    static const uint8_t zeros[4096];
    add(b, zeros, -b->n & 31);
    add(b, zeros, n);
}

/* Parses an exact heap copy, so that AddressSanitizer sees any read beyond the end. */
static enum cn_status parse(const struct bytes *b, struct cn_gguf *g, uint8_t **copy,
                            struct cn_error *err)
{
    *copy = malloc(b->n ? b->n : 1);
    assert_non_null(*copy);
    memcpy(*copy, b->p, b->n);
    return cn_gguf_parse(*copy, b->n, "test.gguf", g, err);
}

static void refused(const struct bytes *b, enum cn_status status, const char *words)
{
    struct cn_gguf g;
    struct cn_error err;
    uint8_t *copy;
    assert_int_equal(parse(b, &g, &copy, &err), status);
    if (!strstr(err.text, words) || strncmp(err.text, "test.gguf: ", 11) != 0 ||
        strchr(err.text, '\n'))
        fail_msg("\"%s\" expected in the message \"%s\"", words, err.text);
    free(copy);
}

static struct bytes b; /* too large for the stack under a sanitizer */

/* ---- metadata ----------------------------------------------------------------------------- */

static void build_values(void)
{
    int8_t i8 = -5;
    uint16_t u16 = 65535;
    uint64_t u64 = UINT64_MAX;
    int64_t i64 = INT64_MIN;
    float f32 = 1.5f;
    double f64 = -2.25;
    uint8_t yes = 7;
    add_header(&b, 0, 11);
    add_kv(&b, "i8", CN_GGUF_I8, &i8, 1);
    add_kv(&b, "u16", CN_GGUF_U16, &u16, 2);
    add_kv(&b, "u64", CN_GGUF_U64, &u64, 8);
    add_kv(&b, "i64", CN_GGUF_I64, &i64, 8);
    add_kv(&b, "f32", CN_GGUF_F32, &f32, 4);
    add_kv(&b, "f64", CN_GGUF_F64, &f64, 8);
    add_kv(&b, "bool", CN_GGUF_BOOL, &yes, 1);
    add_str(&b, "str");
    add_u32(&b, CN_GGUF_STRING);
    add_str(&b, "text");
    add_str(&b, "strs");
    add_u32(&b, CN_GGUF_ARRAY);
    add_u32(&b, CN_GGUF_STRING);
    add_u64(&b, 3);
    add_str(&b, "a");
    add_str(&b, "");
    add_str(&b, "ccc");
    add_str(&b, "ints");
    add_u32(&b, CN_GGUF_ARRAY);
    add_u32(&b, CN_GGUF_I32);
    add_u64(&b, 2);
    add_u32(&b, 1);
    add_u32(&b, UINT32_MAX);
    add_str(&b, "none");
    add_u32(&b, CN_GGUF_ARRAY);
    add_u32(&b, CN_GGUF_F32);
    add_u64(&b, 0);
}

static void values_are_read(void **state)
{
    struct cn_gguf g;
    struct cn_error err;
    uint8_t *copy;
    int64_t i = 42;
    float f = 42;
    bool flag = false;
    struct cn_str s = { NULL, 0 };
    (void)state;
    build_values();
    assert_int_equal(parse(&b, &g, &copy, &err), CN_OK);
    assert_int_equal(g.version, 3);
    assert_int_equal(g.n_kv, 11);
    assert_int_equal(g.n_tensors, 0);
    assert_int_equal(g.alignment, 32);

    assert_int_equal(cn_gguf_get_i64(&g, "i8", -128, 127, &i, &err), CN_OK);
    assert_int_equal(i, -5);
    assert_int_equal(cn_gguf_need_i64(&g, "u16", 0, 65535, &i, &err), CN_OK);
    assert_int_equal(i, 65535);
    assert_int_equal(cn_gguf_get_i64(&g, "i64", INT64_MIN, 0, &i, &err), CN_OK);
    assert_true(i == INT64_MIN);
    i = 42;
    assert_int_equal(cn_gguf_get_i64(&g, "u64", 0, INT64_MAX, &i, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "18446744073709551615"));
    assert_int_equal(cn_gguf_get_i64(&g, "u16", 0, 65534, &i, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "\"u16\": 65535 found, 0 to 65534 expected"));
    assert_int_equal(cn_gguf_get_i64(&g, "ints", 0, 9, &i, &err), CN_ERR_FORMAT);
    assert_int_equal(cn_gguf_get_i64(&g, "f32", 0, 9, &i, &err), CN_ERR_FORMAT);
    assert_int_equal(cn_gguf_get_i64(&g, "absent", 0, 9, &i, &err), CN_OK);
    assert_int_equal(i, 42);
    assert_int_equal(cn_gguf_need_i64(&g, "absent", 0, 9, &i, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "\"absent\""));

    assert_int_equal(cn_gguf_get_f32(&g, "f32", &f, &err), CN_OK);
    assert_true(f == 1.5f);
    assert_int_equal(cn_gguf_need_f32(&g, "f64", &f, &err), CN_OK);
    assert_true(f == -2.25f);
    assert_int_equal(cn_gguf_get_f32(&g, "i8", &f, &err), CN_ERR_FORMAT);
    assert_int_equal(cn_gguf_need_f32(&g, "absent", &f, &err), CN_ERR_FORMAT);

    assert_int_equal(cn_gguf_get_bool(&g, "bool", &flag, &err), CN_OK);
    assert_true(flag); /* stored as 7 */
    assert_int_equal(cn_gguf_get_bool(&g, "i8", &flag, &err), CN_ERR_FORMAT);

    assert_int_equal(cn_gguf_get_str(&g, "str", &s, &err), CN_OK);
    assert_int_equal(s.n, 4);
    assert_memory_equal(s.p, "text", 4);
    assert_int_equal(cn_gguf_get_str(&g, "strs", &s, &err), CN_ERR_FORMAT);
    cn_gguf_close(&g);
    free(copy);
}

static void arrays_are_read(void **state)
{
    struct cn_gguf g;
    uint8_t *copy;
    (void)state;
    build_values();
    assert_int_equal(parse(&b, &g, &copy, NULL), CN_OK);
    const struct cn_gguf_kv *kv = cn_gguf_find(&g, "strs");
    const uint8_t *cursor = kv->data;
    static const char *const expected[] = { "a", "", "ccc" };
    assert_int_equal(kv->type, CN_GGUF_ARRAY);
    assert_int_equal(kv->elem_type, CN_GGUF_STRING);
    assert_int_equal(kv->n, 3);
    for (int i = 0; i < 3; i++) {
        struct cn_str s = cn_gguf_next_str(&cursor);
        assert_int_equal(s.n, strlen(expected[i]));
        assert_memory_equal(s.p, expected[i], s.n);
    }
    assert_ptr_equal(cursor, kv->raw + kv->raw_bytes);
    kv = cn_gguf_find(&g, "ints");
    assert_int_equal(cn_gguf_elem_i64(kv, 0), 1);
    assert_int_equal(cn_gguf_elem_i64(kv, 1), -1);
    assert_true(cn_gguf_elem_f64(kv, 1) == -1.0);
    assert_int_equal(cn_gguf_find(&g, "none")->n, 0);
    kv = cn_gguf_find(&g, "u64");
    assert_true(cn_gguf_elem_i64(kv, 0) == INT64_MAX);
    assert_true(cn_gguf_elem_f64(kv, 0) == 0x1p64);
    assert_int_equal(cn_gguf_elem_i64(cn_gguf_find(&g, "f64"), 0), -2);
    cn_gguf_close(&g);
    free(copy);
}

/* Every shorter file is refused: nothing is read that is not there. */
static void truncation_is_refused(void **state)
{
    (void)state;
    build_values();
    size_t whole = b.n;
    for (size_t n = 0; n < whole; n++) {
        struct cn_gguf g;
        uint8_t *copy;
        b.n = n;
        assert_int_equal(parse(&b, &g, &copy, NULL), CN_ERR_FORMAT);
        free(copy);
    }
}

static void bad_metadata_is_refused(void **state)
{
    uint8_t zero[16] = { 0 };
    (void)state;
    add_header(&b, 0, 1);
    add_kv(&b, "", CN_GGUF_U32, zero, 4);
    refused(&b, CN_ERR_FORMAT, "empty key");

    add_header(&b, 0, 2);
    add_kv(&b, "twice", CN_GGUF_U8, zero, 1);
    add_kv(&b, "twice", CN_GGUF_U32, zero, 4);
    refused(&b, CN_ERR_FORMAT, "key \"twice\" occurs twice");

    add_header(&b, 0, 1);
    add_kv(&b, "bad\n\"key", 13, zero, 8);
    refused(&b, CN_ERR_FORMAT, "key \"bad\\x0A\\x22key\": value type 13 found, 0 to 12");

    add_header(&b, 0, 1);
    add_str(&b, "deep");
    add_u32(&b, CN_GGUF_ARRAY);
    add_u32(&b, CN_GGUF_ARRAY);
    add_u64(&b, 0);
    refused(&b, CN_ERR_FORMAT, "array of arrays");

    add_header(&b, 0, 1);
    add_kv(&b, "general.alignment", CN_GGUF_U32, zero, 4);
    refused(&b, CN_ERR_FORMAT, "a power of two from 8 on expected");
    static const uint32_t four = 4; /* floats would lie aligned; the specification says 8 */
    add_header(&b, 0, 1);
    add_kv(&b, "general.alignment", CN_GGUF_U32, &four, 4);
    refused(&b, CN_ERR_FORMAT, "4 found, a power of two from 8 on expected");

    add_header(&b, 0, 1);
    add_kv(&b, "split.count", CN_GGUF_U16, "\2", 2);
    refused(&b, CN_ERR_UNSUPPORTED, "split");

    add_header(&b, 0, 1);
    add_u64(&b, 65536);
    memset(b.p + b.n, 'k', sizeof b.p - b.n);
    b.n = sizeof b.p;
    refused(&b, CN_ERR_FORMAT, "key of 65536 bytes found, at most 65535 expected");
}

/* ---- tensors ------------------------------------------------------------------------------ */

static void tensors_are_found(void **state)
{
    struct cn_gguf g;
    uint8_t *copy;
    (void)state;
    add_header(&b, 3, 0);
    add_tensor(&b, "second", 64, 2, 8, 64); /* Q8_0: 2 rows of 68 bytes, out of order */
    add_tensor(&b, "first", 5, 3, 0, 0);    /* F32: 60 bytes */
    add_tensor(&b, "ints", 3, 1, 26, 224);  /* I32 */
    add_data(&b, 224 + 12 + 100);           /* trailing bytes are nobody's business */
    assert_int_equal(parse(&b, &g, &copy, NULL), CN_OK);
    const struct cn_gguf_tensor *t = cn_gguf_tensor(&g, "second");
    assert_ptr_equal(t, &g.tensors[0]);
    assert_string_equal(t->format->name, "q8_0");
    assert_int_equal(t->bytes, 136);
    assert_int_equal(t->n_elems, 128);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->ne[1], 2);
    assert_int_equal(t->ne[3], 1);
    t = cn_gguf_tensor(&g, "first");
    assert_int_equal((const char *)g.tensors[0].data - (const char *)t->data, 64);
    assert_int_equal(((const uint8_t *)t->data - copy) % 32, 0);
    t = cn_gguf_tensor(&g, "ints");
    assert_null(t->format);
    assert_int_equal(t->bytes, 12);
    assert_null(cn_gguf_tensor(&g, "third"));
    cn_gguf_close(&g);
    assert_null(cn_gguf_tensor(&g, "first")); /* closed: empty, and closing again is harmless */
    cn_gguf_close(&g);
    free(copy);
}

static void one_tensor(int64_t ne0, int64_t ne1, uint32_t type, uint64_t offset, size_t data)
{
    add_header(&b, 1, 0);
    add_tensor(&b, "t", ne0, ne1, type, offset);
    add_data(&b, data);
}

/* A tensor of a type that GGUF has no id for, which the file calls `name` (NULL: not at all). */
static void local_tensor(const char *name)
{
    char key[CN_GGUF_LOCAL_KEY_BYTES];
    const uint32_t type = CN_LOCAL_TYPES + 999;
    add_header(&b, 1, name ? 1 : 0);
    if (name) {
        add_str(&b, cn_gguf_local_type_key(type, key));
        add_u32(&b, CN_GGUF_STRING);
        add_str(&b, name);
    }
    add_tensor(&b, "t", 256, 1, type, 0);
    add_data(&b, 256);
}

static void local_types_are_refused_by_name(void **state)
{
    (void)state;
    local_tensor("Q3_Y");
    refused(&b, CN_ERR_UNSUPPORTED, "tensor \"t\": unsupported tensor type Q3_Y");
    local_tensor(NULL);
    refused(&b, CN_ERR_FORMAT, "expects its name in the key carnot.tensor_type.17895");
}

static void bad_tensors_are_refused(void **state)
{
    (void)state;
    one_tensor(32, 1, 4, 0, 64);
    refused(&b, CN_ERR_UNSUPPORTED, "tensor \"t\": tensor type 4 (Q4_2) was removed");
    one_tensor(32, 1, 38, 0, 64);
    refused(&b, CN_ERR_UNSUPPORTED, "38 (IQ4_NL_8_8) was removed");
    one_tensor(64, 1, 134, 0, 64);
    refused(&b, CN_ERR_UNSUPPORTED, "unsupported tensor type IQ1_BN");
    one_tensor(256, 4, 212, 0, 1024);
    refused(&b, CN_ERR_UNSUPPORTED, "212 (Q4_K_R4) interleaves rows of Q4_K");
    one_tensor(256, 4, 339, 0, 1024);
    refused(&b, CN_ERR_UNSUPPORTED, "convert it back with the program that made it");
    one_tensor(32, 1, 43, 0, 64);
    refused(&b, CN_ERR_FORMAT, "unknown tensor type 43");
    one_tensor(33, 1, 8, 0, 64);
    refused(&b, CN_ERR_FORMAT, "row length 33 found, a multiple of 32");
    one_tensor(0, 1, 0, 0, 64);
    refused(&b, CN_ERR_FORMAT, "dimension 0 is 0");
    one_tensor(INT64_MAX, 3, 0, 0, 64);
    refused(&b, CN_ERR_FORMAT, "elements overflows");
    one_tensor(INT64_MAX, 1, 0, 0, 64);
    refused(&b, CN_ERR_FORMAT, "bytes of 9223372036854775807 elements overflows");
    one_tensor(8, 1, 0, 16, 64);
    refused(&b, CN_ERR_FORMAT, "offset 16 found, a multiple of 32");
    one_tensor(8, 2, 0, 0, 63);
    refused(&b, CN_ERR_FORMAT, "64 bytes at offset 0 expected, but the data section has 63");
    one_tensor(8, 1, 0, UINT64_MAX - 31, 64); /* offset + bytes wraps */
    refused(&b, CN_ERR_FORMAT, "but the data section has 64");

    add_header(&b, 2, 0);
    add_tensor(&b, "a", 16, 1, 0, 32);
    add_tensor(&b, "b", 16, 1, 0, 0);
    add_data(&b, 128);
    refused(&b, CN_ERR_FORMAT,
            "tensors \"b\" (64 bytes at offset 0) and \"a\" (offset 32) overlap");

    add_header(&b, 2, 0);
    add_tensor(&b, "a", 8, 1, 0, 0);
    add_tensor(&b, "a", 8, 1, 0, 32);
    add_data(&b, 64);
    refused(&b, CN_ERR_FORMAT, "tensor \"a\" occurs twice");
}

static void alignment_is_honoured(void **state)
{
    struct cn_gguf g;
    uint8_t *copy;
    uint32_t alignment = 256;
    (void)state;
    add_header(&b, 1, 1);
    add_kv(&b, "general.alignment", CN_GGUF_U32, &alignment, 4);
    add_tensor(&b, "t", 8, 1, 0, 256);
    add_data(&b, 1024);
    assert_int_equal(parse(&b, &g, &copy, NULL), CN_OK);
    assert_int_equal(g.alignment, 256);
    assert_int_equal((const uint8_t *)g.tensors[0].data - copy, 512);
    cn_gguf_close(&g);
    free(copy);
}

/* Many names: the index finds each, and nothing else. */
static void index_finds_all(void **state)
{
    struct cn_gguf g;
    uint8_t *copy;
    char name[16];
    (void)state;
    add_header(&b, 0, 2000);
    for (uint32_t i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "key.%u", i);
        add_kv(&b, name, CN_GGUF_U32, &i, 4);
    }
    assert_int_equal(parse(&b, &g, &copy, NULL), CN_OK);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "key.%d", i);
        const struct cn_gguf_kv *kv = cn_gguf_find(&g, name);
        assert_non_null(kv);
        assert_int_equal(cn_gguf_elem_i64(kv, 0), i);
    }
    assert_null(cn_gguf_find(&g, "key.2000"));
    assert_null(cn_gguf_find(&g, ""));
    cn_gguf_close(&g);
    free(copy);
}

static void text_is_shown_safely(void **state)
{
    char buf[CN_SHOW_BYTES], small[8];
    struct cn_str s = { "a\0\n\x1b[\xff\xc3\xa9\xe2\x80\xa8", 11 };
    (void)state;
    assert_string_equal(cn_str_show(s, buf, sizeof buf),
                        "a\\x00\\x0A\\x1B[\\xFF\xc3\xa9\\xE2\\x80\\xA8");
    s = (struct cn_str){ "1234567", 7 };
    assert_string_equal(cn_str_show(s, small, sizeof small), "1234567");
    s = (struct cn_str){ "12345678", 8 };
    assert_string_equal(cn_str_show(s, small, sizeof small), "1234...");
    s = (struct cn_str){ "\1\1\1", 3 };
    assert_string_equal(cn_str_show(s, small, sizeof small), "\\x01...");
    s = (struct cn_str){ "\xf0\x9f\x98", 3 }; /* cut short: never read beyond */
    assert_string_equal(cn_str_show(s, buf, sizeof buf), "\\xF0\\x9F\\x98");
}

/* ---- files -------------------------------------------------------------------------------- */

static char dir[] = "/tmp/cn-gguf-XXXXXX";
static char path[128];

static const char *in_dir(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void save(const char *name)
{
    FILE *f = fopen(in_dir(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
    assert_int_equal(fclose(f), 0);
}

static void save_part(const char *name, uint16_t no, uint16_t count, uint32_t total,
                      const char *tensor)
{
    add_header(&b, 1, 3);
    add_kv(&b, "split.no", CN_GGUF_U16, &no, 2);
    add_kv(&b, "split.count", CN_GGUF_U16, &count, 2);
    add_kv(&b, "split.tensors.count", CN_GGUF_I32, &total, 4);
    add_tensor(&b, tensor, 8, 1, 0, 0);
    add_data(&b, 0);
    for (int i = 0; i < 8; i++) {
        float value = (float)no;
        add(&b, &value, sizeof value);
    }
    save(name);
}

static void open_fails(const char *name, enum cn_status status, const char *words)
{
    struct cn_gguf g;
    struct cn_error err;
    assert_int_equal(cn_gguf_open(in_dir(name), &g, &err), status);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" expected in the message \"%s\"", words, err.text);
}

static void split_model_is_joined(void **state)
{
    struct cn_gguf g;
    struct cn_error err;
    (void)state;
    save_part("m-00001-of-00003.gguf", 0, 3, 3, "a");
    save_part("m-00002-of-00003.gguf", 1, 3, 3, "b");
    open_fails("m-00001-of-00003.gguf", CN_ERR_IO, "m-00003-of-00003.gguf: cannot open");
    save_part("m-00003-of-00003.gguf", 2, 3, 3, "c");
    assert_int_equal(cn_gguf_open(in_dir("m-00001-of-00003.gguf"), &g, &err), CN_OK);
    assert_int_equal(g.n_parts, 3);
    assert_int_equal(g.n_tensors, 3);
    for (int i = 0; i < 3; i++) {
        const char name[2] = { (char)('a' + i), 0 };
        const struct cn_gguf_tensor *t = cn_gguf_tensor(&g, name);
        float value;
        assert_int_equal(t->part, i);
        memcpy(&value, t->data, sizeof value);
        assert_true(value == (float)i);
    }
    cn_gguf_close(&g);

    open_fails("m-00002-of-00003.gguf", CN_ERR_ARGUMENT, "m-00001-of-00003.gguf");
    save_part("m-00003-of-00003.gguf", 2, 3, 3, "a");
    open_fails("m-00001-of-00003.gguf", CN_ERR_FORMAT, "tensor \"a\" occurs twice");
    save_part("m-00003-of-00003.gguf", 1, 3, 3, "c");
    open_fails("m-00001-of-00003.gguf", CN_ERR_FORMAT, "part 2 of 3 expected");
    save_part("m-00003-of-00003.gguf", 2, 4, 3, "c");
    open_fails("m-00001-of-00003.gguf", CN_ERR_FORMAT, "part 2 of 4 found");
    save_part("m-00003-of-00003.gguf", 2, 3, 3, "c");
    save_part("m-00001-of-00003.gguf", 0, 3, 4, "a");
    open_fails("m-00001-of-00003.gguf", CN_ERR_FORMAT, "3 tensors in 3 parts found, 4 expected");
    save_part("renamed.gguf", 0, 3, 3, "a");
    open_fails("renamed.gguf", CN_ERR_FORMAT, "-00001-of-00003.gguf");
    save_part("m-00009-of-00003.gguf", 0, 3, 3, "a");
    open_fails("m-00009-of-00003.gguf", CN_ERR_FORMAT, "says otherwise");
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    open_fails("nothing.gguf", CN_ERR_IO, "nothing.gguf: cannot open");
    open_fails(".", CN_ERR_IO, "not a regular file");
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    open_fails("fifo", CN_ERR_IO, "not a regular file");
    b.n = 0;
    save("empty.gguf");
    open_fails("empty.gguf", CN_ERR_FORMAT, "0 bytes found");
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = { "m-00001-of-00003.gguf",
                                         "m-00002-of-00003.gguf",
                                         "m-00003-of-00003.gguf",
                                         "m-00009-of-00003.gguf",
                                         "renamed.gguf",
                                         "empty.gguf",
                                         "fifo" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_dir(names[i]));
    return rmdir(dir);
}

/* ---- the corrupt files -------------------------------------------------------------------- */

/* Sound as containers: their fault, if any, is one of the model, which is not this reader's to
 * find. Every other file of bad.csv has to be refused. */
/* clang-format off */
static const char *const sound[] = {
    "arch-foo", "arch-prefix", "blocks-1e6", "blocks-2", "blocks-minus1", "blocks-string",
    "bool-7", "ctx-0", "embd-0", "eps-nan", "expbias-missing", "expbias-turned", "experts-1e5",
    "experts-3", "experts-used-5", "expscale-nan", "ff-2p31", "fflist-0", "fflist-2p31",
    "freqbase-0", "gating-minus1", "good-deepseek2", "good-gemma4", "good-gpt-oss", "groups-3",
    "groups-9", "groups-too-few", "groups-used-0", "groups-used-none", "heads-5", "inputs-8",
    "inputs-missing", "kvheads-0", "kvheads-3", "kvlist-0", "kvlist-minus1", "kvlist-short",
    "layerscale-2", "merges-3parts", "merges-empty", "merges-nospace", "missing-ffn_down",
    "missing-general-architecture", "missing-llama-attention-layer_norm_rms_epsilon",
    "missing-llama-block_count", "missing-llama-embedding_length", "missing-output_norm",
    "missing-tokenizer-ggml-model", "mla-allrotated", "mla-heads-0", "mla-kb-turned",
    "mla-kvnorm-short", "mla-qrank-7", "mla-rank-0", "mla-rank-2p20", "mla-rank-minus1",
    "mla-vb-missing", "nan-weights", "nextn-all", "norm-f16", "ntensors-zero", "pattern-int",
    "pattern-short", "pre-unknown", "q8-inf-scale", "rope-1000", "ropefreqs-0", "scale-two",
    "scores-nan", "scores-short", "selectbias-short", "shape-vocab", "shared-4096", "sharedkv-3",
    "sharedkv-99", "sharedkv-all", "sinks-int", "sinks-missing", "sinks-nan", "sinks-short",
    "stray-ff-2p24", "stray-inputs",
    "swa-keylen-0", "swa-rot-6", "temperature-length-0", "tensor-blk-huge", "tensor-extra",
    "tokens-duplicate", "tokens-empty", "tokens-int", "tokens-none", "tokens-nul",
    "tokmodel-unknown", "trailing-garbage", "two-files", "types-99", "window-2p63",
    "window-minus1", "window-none", "yarnmul-nan",
};
/* clang-format on */

static bool is_sound(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        if (strlen(sound[i]) == n && strncmp(sound[i], name, n) == 0)
            return true;
    return false;
}

static void corrupt_files_are_refused(void **state)
{
    char line[512], file[160];
    int n_files = 0, n_refused = 0;
    FILE *csv = fopen("tests/fixtures/bad/bad.csv", "r");
    (void)state;
    assert_non_null(csv);
    assert_non_null(fgets(line, sizeof line, csv)); /* the heading */
    while (fgets(line, sizeof line, csv)) {
        struct cn_gguf g;
        struct cn_error err;
        char *dot = strstr(line, ".gguf,");
        assert_non_null(dot);
        snprintf(file, sizeof file, "tests/fixtures/bad/%.*s.gguf", (int)(dot - line), line);
        enum cn_status status = cn_gguf_open(file, &g, &err);
        if (status == CN_OK)
            cn_gguf_close(&g);
        if ((status == CN_OK) != is_sound(line, (size_t)(dot - line)))
            fail_msg("%s: %s", file, status == CN_OK ? "opened" : err.text);
        n_files++;
        n_refused += status != CN_OK;
    }
    fclose(csv);
    assert_int_equal(n_files - n_refused, sizeof sound / sizeof *sound);
    assert_int_equal(n_files, 150);
}

static void good_files_open(void **state)
{
    static const char *const files[] = { "tests/fixtures/bad/good.gguf",
                                         "tests/fixtures/bad/good-f16.gguf",
                                         "tests/fixtures/bad/good-bpe.gguf",
                                         "models/prose-8m-f16.gguf" };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct cn_gguf g;
        struct cn_error err;
        struct cn_str s = { NULL, 0 };
        if (cn_gguf_open(files[i], &g, &err) != CN_OK)
            fail_msg("%s", err.text);
        assert_int_equal(cn_gguf_get_str(&g, "general.architecture", &s, &err), CN_OK);
        assert_true(s.n > 0);
        assert_non_null(cn_gguf_tensor(&g, "token_embd.weight"));
        cn_gguf_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(arrays_are_read),
        cmocka_unit_test(truncation_is_refused),
        cmocka_unit_test(bad_metadata_is_refused),
        cmocka_unit_test(tensors_are_found),
        cmocka_unit_test(bad_tensors_are_refused),
        cmocka_unit_test(local_types_are_refused_by_name),
        cmocka_unit_test(alignment_is_honoured),
        cmocka_unit_test(index_finds_all),
        cmocka_unit_test(text_is_shown_safely),
        cmocka_unit_test(split_model_is_joined),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(corrupt_files_are_refused),
        cmocka_unit_test(good_files_open),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

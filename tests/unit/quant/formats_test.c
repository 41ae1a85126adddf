/* SPDX-License-Identifier: MIT
 *
 * Every format against its vectors: blocks of all kinds with the values they stand for, to the bit
 * (tests/fixtures/vectors/README.md).
 */
#include "quant/gemm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The columns of a row of vectors; only formats whose rows have a header mind. */
enum { COLS = 1024 };

static void *read_vectors(const char *name, const char *what, size_t *n_bytes)
{
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/vectors/%s.%s.bin", name, what);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s: cannot open", path);
    fseek(f, 0, SEEK_END);
    *n_bytes = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(*n_bytes);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *n_bytes, f), *n_bytes);
    fclose(f);
    return data;
}

struct vectors {
    const struct cn_format *format;
    uint8_t *blocks;
    float *expected, *got;
    int64_t n;
};

static struct vectors load(const struct cn_format *format)
{
    size_t blocks_bytes, f32_bytes;
    struct vectors v = { .format = format };
    v.blocks = read_vectors(format->name, "blocks", &blocks_bytes);
    v.expected = read_vectors(format->name, "f32", &f32_bytes);
    v.n = (int64_t)(f32_bytes / sizeof(float));
    v.got = malloc(f32_bytes);
    assert_non_null(v.got);
    assert_int_equal(v.n % COLS, 0);
    assert_int_equal((size_t)(v.n / COLS) * cn_row_bytes(format, COLS), blocks_bytes);
    return v;
}

static const uint8_t *row_of(const struct vectors *v, int64_t r)
{
    return v->blocks + (size_t)r * cn_row_bytes(v->format, COLS);
}

static void release(struct vectors *v)
{
    free(v->blocks);
    free(v->expected);
    free(v->got);
}

static void check_bits(const struct vectors *v, const char *how)
{
    for (int64_t i = 0; i < v->n; i++) {
        uint32_t got, expected;
        memcpy(&got, &v->got[i], 4);
        memcpy(&expected, &v->expected[i], 4);
        if (got != expected)
            fail_msg("%s %s: element %lld is %a, expected %a", v->format->name, how, (long long)i,
                     (double)v->got[i], (double)v->expected[i]);
    }
}

static void test_bits(void **state)
{
    (void)state;
    for (int type = 0; type < CN_N_TYPES; type++) {
        struct vectors v = load(&cn_formats[type]);
        const struct cn_kernels kernels = cn_kernels_for(v.format, 0);
        for (int64_t r = 0; r < v.n / COLS; r++)
            v.format->ref->dequantize(COLS, row_of(&v, r), v.got + r * COLS);
        check_bits(&v, "dequantize");
        memset(v.got, 0xff, (size_t)v.n * sizeof(float));
        for (int64_t r = 0; r < v.n / COLS; r++)
            cn_dequantize_with(&kernels, v.format, COLS, row_of(&v, r), v.got + r * COLS);
        check_bits(&v, "unpack");
        release(&v);
    }
}

/* Unpacking with the stride of a GEMM panel writes the chunks of one row and nothing between. */
static void test_chunks(void **state)
{
    enum { N = 512, STRIDE = CN_PANEL_ROWS * CN_CHUNK };
    static uint8_t wide[N / 16 * STRIDE], narrow[N * 4];
    (void)state;
    for (int type = 0; type < CN_N_TYPES; type++) {
        struct vectors v = load(&cn_formats[type]);
        const struct cn_kernels *k = &v.format->ref->kernels;
        size_t used = k->panel.sub ? N : N * sizeof(float);
        float scale[N / 16], min[N / 16];
        memset(wide, 0xaa, sizeof wide);
        k->unpack(N, v.blocks + v.format->header_bytes, narrow, CN_CHUNK, scale, min);
        k->unpack(N, v.blocks + v.format->header_bytes, wide, STRIDE, scale, min);
        for (size_t i = 0; i < sizeof wide; i++) {
            size_t chunk = i / STRIDE, at = chunk * CN_CHUNK + i % STRIDE;
            bool mine = i % STRIDE < CN_CHUNK && at < used;
            if (wide[i] != (mine ? narrow[at] : 0xaa))
                fail_msg("%s: byte %zu of a strided panel is wrong", v.format->name, i);
            if (mine && k->panel.sub && wide[i] > k->panel.code_max)
                fail_msg("%s: code %d is above %d", v.format->name, wide[i], k->panel.code_max);
        }
        release(&v);
    }
}

/* What a format's own unpack makes is what unpack and the tier's arrange() make, to the bit. */
static void test_small_unpack(void **state)
{
    enum { N = 512 }; /* one unit of any tier, or more */
    const struct cn_gemm_small *small = cn_ops_for(cn_tiers_detect()).gemm->small;
    static int8_t row[N];
    static uint8_t expected[2 * N], got[2 * N];
    (void)state;
    for (int type = 0; small && type < CN_N_TYPES; type++) {
        const struct cn_kernels k = cn_kernels_for(&cn_formats[type], cn_tiers_detect());
        if (!k.small)
            continue;
        struct vectors v = load(&cn_formats[type]);
        const size_t step = cn_row_bytes(v.format, N), groups = N / (size_t)k.panel.sub;
        const enum cn_small_form form = small->form(&k.panel);
        const struct cn_small_block b = { .kind = &k.panel,
                                          .form = form,
                                          .n_units = (int64_t)groups / small->lanes };
        const int code_bytes = form == CN_SMALL_SIGNED ? small->signed_bytes : 1;
        for (int64_t i = 0; i < v.n / N; i++) {
            const uint8_t *blocks = v.blocks + (size_t)i * step;
            float scale[2][N / 16], min[2][N / 16];
            k.unpack(N, blocks, (uint8_t *)row, CN_CHUNK, scale[0], min[0]);
            small->arrange(&b, form == CN_SMALL_SIGNED ? k.panel.offset : 0, row, expected);
            k.small->unpack(N, blocks, got, scale[1], min[1]);
            assert_memory_equal(got, expected, (size_t)(N * code_bytes));
            assert_memory_equal(scale[1], scale[0], groups * sizeof(float));
            if (k.panel.has_min)
                assert_memory_equal(min[1], min[0], groups * sizeof(float));
        }
        release(&v);
    }
}

/* Products of two rows with the values above in double; the bound is of float sums. */
static void test_gemv(void **state)
{
    enum { N = COLS, ROWS = 2 };
    static float x[N];
    static int8_t q[N];
    static float d[N / 32], sum32[N / 32];
    static int16_t sum16[N / 16];
    (void)state;
    for (int g = 0; g < N / 32; g++) {
        d[g] = 0.01f * (float)(g + 1);
        for (int i = 32 * g; i < 32 * (g + 1); i++) {
            q[i] = (int8_t)(i * 37 % 255 - 127);
            sum16[i / 16] = (int16_t)(sum16[i / 16] + q[i]);
            x[i] = d[g] * q[i];
        }
        sum32[g] = d[g] * (float)(sum16[2 * g] + sum16[2 * g + 1]);
    }
    const struct cn_act act = { .x = x, .q = q, .d = d, .sum32 = sum32, .sum16 = sum16 };
    for (int type = 0; type < CN_N_TYPES; type++) {
        struct vectors v = load(&cn_formats[type]);
        size_t row_bytes = cn_row_bytes(v.format, N);
        for (int64_t first = 0; first + ROWS * N <= v.n; first += ROWS * N) {
            float y[ROWS];
            v.format->ref->kernels.gemv(ROWS, N, row_of(&v, first / N), row_bytes, &act, y);
            for (int r = 0; r < ROWS; r++) {
                /* Minima cancel against codes, so the bound counts both: the largest code product
                 * of a group is at most the spread of its values. */
                double sum = 0, size = 0, top = 0;
                for (int i = 0; i < N; i++) {
                    double w = (double)v.expected[first + r * N + i];
                    double a =
                        v.format->act == CN_ACT_F32 ? (double)x[i] : (double)d[i / 32] * q[i];
                    sum += w * a;
                    size += fabs(w * a);
                    top = fmax(top, fabs(w));
                }
                double bound = 0x1p-23 * (N * size + 2 * N * top);
                if (size > 1e37) /* a partial sum may overflow */
                    continue;
                if (!(fabs((double)y[r] - sum) <= bound))
                    fail_msg("%s: row at %lld gives %g, expected %g +- %g", v.format->name,
                             (long long)(first + r * N), (double)y[r], sum, bound);
            }
        }
        release(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_small_unpack),
        cmocka_unit_test(test_gemv),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

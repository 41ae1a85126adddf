/* SPDX-License-Identifier: MIT */
#include "engine/make/row_fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 256 };

static enum cn_row_fit fit_of(const char *format, float size, float one)
{
    const struct cn_format *f = cn_format_by_name(format);
    float x[N];
    float *scratch = malloc(cn_row_fit_scratch(N) * sizeof *scratch);
    size_t bytes = cn_row_bytes(f, N);
    uint8_t *row = malloc(bytes), *spare = malloc(bytes); /* a sanitizer sees a write behind them */
    assert_non_null(f);
    for (int i = 0; i < N; i++)
        x[i] = size * sinf((float)(i * i));
    x[77] += one;
    f->ref->quantize(N, x, NULL, row);
    enum cn_row_fit fit = cn_row_fit(f, N, x, NULL, row, scratch, spare);
    free(scratch);
    free(row);
    free(spare);
    return fit;
}

static void test_fits(void **state)
{
    (void)state;
    static const char *const formats[] = { "f32",   "f16",   "bf16", "q4_0", "q5_1",
                                           "q8_0",  "q4_k",  "q6_k", "q2_k", "iq4_xs",
                                           "iq3_s", "mxfp4", "tq1_0" };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        assert_int_equal(fit_of(formats[i], 0, 0), CN_ROW_FITS);
        assert_int_equal(fit_of(formats[i], 1, 0), CN_ROW_FITS);
        assert_int_equal(fit_of(formats[i], 1e-3f, 0), CN_ROW_FITS);
        assert_int_equal(fit_of(formats[i], 4e4f, 0), CN_ROW_FITS);
    }
    /* Whether a weight fits is the format's affair: 1e5 is no f16, but a good multiple of one. */
    assert_int_equal(fit_of("f16", 1, 1e5f), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("f16", 1, -65519), CN_ROW_FITS);
    assert_int_equal(fit_of("f16", 1, -65520), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("bf16", 1, 1e38f), CN_ROW_FITS);
    assert_int_equal(fit_of("bf16", 1, 3.4e38f), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("f32", 1, 3.4e38f), CN_ROW_FITS);
    assert_int_equal(fit_of("q4_0", 1e5f, 0), CN_ROW_FITS);
    assert_int_equal(fit_of("q4_0", 1e6f, 0), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("q8_0", 1e6f, 0), CN_ROW_FITS);
    assert_int_equal(fit_of("q8_0", 1e7f, 0), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("q4_1", 1e5f, 0), CN_ROW_TOO_LARGE); /* its minimum is one f16 */
    assert_int_equal(fit_of("tq1_0", 3e5f, 0), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("q4_k", 1e30f, 0), CN_ROW_TOO_LARGE);
    assert_int_equal(fit_of("q6_k", 1e-6f, 0), CN_ROW_FAINT);
    assert_int_equal(fit_of("f16", 1e-6f, 0), CN_ROW_FAINT);
    assert_int_equal(fit_of("q4_0", 1e-10f, 0), CN_ROW_FAINT);
    assert_int_equal(fit_of("bf16", 1e-10f, 0), CN_ROW_FITS);
    assert_int_equal(fit_of("mxfp4", 1e-10f, 0), CN_ROW_FITS);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_fits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

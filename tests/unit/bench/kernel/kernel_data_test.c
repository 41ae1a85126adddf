/* SPDX-License-Identifier: MIT
 *
 * The inputs of the kernel checks: what is called finite is, and the patterns are what they are
 * called, in every format.
 */
#include "bench/kernel/kernel_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_BLOCKS = 200, MAX_ELEMS = 256 };

/* The largest magnitude of N_BLOCKS blocks of a pattern; NaN if one element is not finite. */
static float top_of(const struct cn_blocks *blocks, const struct cn_format *f, enum cn_pattern p,
                    float *least)
{
    struct cn_rng rng = { 5 };
    float top = 0, w[MAX_ELEMS];
    uint8_t *row = malloc(cn_row_bytes(f, f->block_elems));
    assert_non_null(row);
    *least = INFINITY;
    for (int i = 0; i < N_BLOCKS; i++) {
        cn_row_fill(blocks, p, &rng, f->block_elems, row);
        f->ref->dequantize(f->block_elems, row, w);
        for (uint32_t e = 0; e < f->block_elems; e++) {
            if (!isfinite(w[e]))
                top = NAN;
            top = isnan(top) ? top : fmaxf(top, fabsf(w[e]));
            if (w[e] != 0)
                *least = fminf(*least, fabsf(w[e]));
        }
    }
    free(row);
    return top;
}

static void test_patterns(void **state)
{
    (void)state;
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = &cn_formats[type];
        struct cn_blocks *blocks = cn_blocks_create(f, 3);
        float top[CN_N_PATTERNS], least;
        assert_non_null(blocks);
        for (int p = 0; p < CN_N_PATTERNS; p++) {
            top[p] = top_of(blocks, f, (enum cn_pattern)p, &least);
            if (p != CN_PATTERN_ONES && !isfinite(top[p]))
                fail_msg("%s, %s: not finite", f->name, cn_pattern_name((enum cn_pattern)p));
        }
        assert_true(top[CN_PATTERN_RANDOM] > 0);
        assert_true(top[CN_PATTERN_NOISE] > 0.01f && top[CN_PATTERN_NOISE] < 2);
        if (!(top[CN_PATTERN_HUGE] > 1000 * top[CN_PATTERN_NOISE] &&
              top[CN_PATTERN_HUGE] > 1000 * top[CN_PATTERN_DENORMAL]))
            fail_msg("%s: huge scales reach %g, tiny ones %g", f->name,
                     (double)top[CN_PATTERN_HUGE], (double)top[CN_PATTERN_DENORMAL]);
        cn_blocks_free(blocks);
    }
}

static void test_acts(void **state)
{
    (void)state;
    struct cn_rng rng = { 9 };
    float x[96];
    int n_set = 0;
    cn_acts_fill(CN_ACTS_ONE, &rng, 96, x);
    for (int i = 0; i < 96; i++)
        n_set += x[i] != 0;
    assert_int_equal(n_set, 1);
    cn_acts_fill(CN_ACTS_TOP, &rng, 96, x);
    for (int i = 0; i < 96; i++)
        assert_true(x[i] == x[i / 32 * 32] && fabsf(x[i]) == fabsf(x[0]));
    cn_acts_fill(CN_ACTS_ZERO, &rng, 96, x);
    for (int i = 0; i < 96; i++)
        assert_true(x[i] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_acts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

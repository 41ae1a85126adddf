/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The first numbers for the seed 1234567, as the generator's authors publish them. */
static void test_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = { 6457827717110365317u, 3203168211198807973u,
                                         9817491932198370423u, 4593380528125082431u,
                                         16408922859458223821u };
    struct cn_rng rng = { 1234567 };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(cn_rng_next(&rng) == expected[i]);
}

/* The first two states from 1, worked out by hand modulo 2^64; the upper 31 bits of each. */
static void test_lcg(void **state)
{
    (void)state;
    uint64_t seed = 1;
    assert_int_equal(cn_lcg_next(&seed), (6364136223846793005u + 1442695040888963407u) >> 33);
    assert_true(seed == 7806831264735756412u);
}

static void test_ranges(void **state)
{
    (void)state;
    struct cn_rng a = { 1 }, b = { 1 };
    double sum = 0, squares = 0, sum_f32 = 0, squares_f32 = 0;
    int seen[7] = { 0 };
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        int n = cn_rng_int(&a, 7);
        assert_in_range(n, 0, 6);
        assert_int_equal(n, cn_rng_below(&b, 7));
        seen[n]++;
        float u = cn_rng_uniform_f32(&a), r = cn_rng_normal_f32(&a);
        assert_true(u >= 0 && u < 1);
        assert_true(cn_rng_uniform_f32(&b) == u && cn_rng_normal_f32(&b) == r);
        double v = cn_rng_uniform(&a), z = cn_rng_normal(&a);
        assert_true(v >= 0 && v < 1);
        assert_true(cn_rng_uniform(&b) == v && cn_rng_normal(&b) == z);
        sum += z;
        squares += z * z;
        sum_f32 += (double)r;
        squares_f32 += (double)r * (double)r;
    }
    assert_true(fabs(sum / N) < 0.03 && fabs(squares / N - 1) < 0.05);
    assert_true(fabs(sum_f32 / N) < 0.03 && fabs(squares_f32 / N - 1) < 0.05);
    for (int i = 0; i < 7; i++)
        assert_true(abs(seen[i] - N / 7) < 250); /* five standard deviations */
}

/* A quarter of all numbers is out of range for this n, and has to be drawn again: were it taken
 * modulo n, the lowest third would come twice as often as the others. */
static void test_below_is_even(void **state)
{
    (void)state;
    const uint64_t n = UINT64_C(3) << 62;
    struct cn_rng rng = { 3 };
    int low = 0;
    enum { N = 3000 };
    for (int i = 0; i < N; i++) {
        uint64_t v = cn_rng_below(&rng, n);
        assert_true(v < n);
        low += v < n / 3;
    }
    assert_true(abs(low - N / 3) < 130);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splitmix64),
        cmocka_unit_test(test_lcg),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_below_is_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

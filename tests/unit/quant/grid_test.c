/* SPDX-License-Identifier: MIT
 *
 * The codebook search against brute force: no entry is nearer than the one chosen.
 */
#include "quant/grid.h"

#include "quant/quant.h"
#include "quant/ref/codebooks.h"
#include "quant/ref/iq2_s.h"
#include "quant/ref/iq3_xxs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t seed = 7;

static float noise(void)
{
    float x = 0;
    for (int i = 0; i < 3; i++) {
        seed = seed * 1664525 + 1013904223;
        x += (float)(int32_t)seed * 0x1p-31f / 3;
    }
    return x;
}

static int level_of(const struct cn_grid_kind *kind, int shift, int entry, int i)
{
    int8_t value = ((const int8_t *)kind->entries)[entry * kind->dims + i];
    bool shifted = kind->signs == CN_SHIFT_GROUP || kind->signs == CN_SHIFT_RUN;
    return shifted ? kind->level[shift][value + 1] : value;
}

static double error_of(const struct cn_grid_kind *kind, int shift, int entry, const double *y,
                       const float *w, double a)
{
    double error = 0;
    for (int i = 0; i < kind->dims; i++)
        error += (double)w[i] * pow(y[i] - a * level_of(kind, shift, entry, i), 2);
    return error;
}

static double least_error(const struct cn_grid_kind *kind, int shift, const double *y,
                          const float *w, double a)
{
    double least = HUGE_VAL;
    for (int entry = 0; entry < kind->n_entries; entry++)
        least = fmin(least, error_of(kind, shift, entry, y, w, a));
    return least;
}

/* The step above is known to the rounding of two f16 only. */
#define NEAR 1.005

static void check_block(const struct cn_grid_kind *kind, const struct cn_grid *grid)
{
    const bool shifted = kind->signs == CN_SHIFT_GROUP || kind->signs == CN_SHIFT_RUN;
    float x[CN_GRID_BLOCK], w[CN_GRID_BLOCK];
    struct cn_grid_codes codes;
    for (int i = 0; i < CN_GRID_BLOCK; i++) {
        x[i] = noise();
        w[i] = fabsf(noise()) + 0.01f;
    }
    double d = (double)cn_f16_to_f32(cn_grid_quantize(grid, x, w, &codes)) / (double)kind->unit;
    assert_true(d > 0);
    /* The codes were chosen for a step that was then made larger, half-way from the least error to
     * the norm of x. */
    double xx = 0, xq = 0, qq = 0;
    for (int i = 0; i < CN_GRID_BLOCK; i++) {
        int mask = codes.mask[i / 8], entry = codes.index[i / kind->dims];
        int level = level_of(kind, shifted ? mask : 0, entry, i % kind->dims);
        double q = (2 * codes.scale[i / kind->group] + 1) * level;
        q = !shifted && mask >> i % 8 & 1 ? -q : q;
        xx += (double)w[i] * (double)x[i] * (double)x[i];
        xq += (double)w[i] * (double)x[i] * q;
        qq += (double)w[i] * q * q;
    }
    const double larger = pow(sqrt(xx * qq) / xq, 0.55);
    assert_true(larger >= 1 && larger < 1.5);
    assert_true(fabs(d / (larger * xq / qq) - 1) <
                0.03); /* new codes came after the least squares */
    d /= larger;
    double group_found = 0, group_other = 0;
    for (int i = 0; i < CN_GRID_BLOCK; i += kind->dims) {
        int mask = codes.mask[i / 8], shift = shifted ? mask : 0, s = codes.scale[i / kind->group];
        double y[8], a = d * (2 * s + 1);
        assert_in_range(s, 0, kind->scale_top);
        for (int k = 0; k < kind->dims; k++) {
            bool negative = !shifted && mask >> (i % 8 + k) & 1;
            y[k] = negative ? -(double)x[i + k] : (double)x[i + k];
        }
        double found = error_of(kind, shift, codes.index[i / kind->dims], y, w + i, a);
        double least = least_error(kind, shift, y, w + i, a);
        if (!(found <= least * NEAR))
            fail_msg("element %d: entry %d leaves %g, the best %g", i, codes.index[i / kind->dims],
                     found, least);
        if (kind->signs == CN_SHIFT_RUN)
            assert_true(found <= least_error(kind, !shift, y, w + i, a) * NEAR);
        if (kind->signs == CN_SHIFT_GROUP) {
            if (i % kind->group == 0)
                group_found = group_other = 0;
            group_found += found;
            group_other += least_error(kind, !shift, y, w + i, a);
            if ((i + 8) % kind->group == 0)
                assert_true(group_found <= group_other * NEAR);
        }
        if (kind->signs == CN_SIGNS_EVEN)
            assert_int_equal(__builtin_parity((unsigned)mask), 0);
        if (!shifted &&
            i % 8 == 0) { /* signs are the elements' own but for one to make them even */
            int own = 0;
            for (int k = 0; k < 8; k++)
                own |= (x[i + k] < 0) << k;
            int wrong = __builtin_popcount((unsigned)(own ^ mask));
            assert_int_equal(wrong,
                             kind->signs == CN_SIGNS_EVEN && __builtin_parity((unsigned)own));
        }
    }
}

static void check_kind(const struct cn_grid_kind *kind)
{
    static struct cn_grid grid;
    cn_grid_init(&grid, kind);
    for (int i = 0; i < 4; i++)
        check_block(kind, &grid);
}

static void test_signs(void **state)
{
    (void)state;
    struct cn_grid_kind kind = {
        .entries = cn_iq2_s_grid,
        .n_entries = 1024,
        .dims = 8,
        .n_levels = 3,
        .level = { { 8, 25, 43 } },
        .group = 16,
        .signs = CN_SIGNS_FREE,
        .scale_top = 15,
        .unit = 8,
    };
    check_kind(&kind);
    kind.signs = CN_SIGNS_EVEN;
    check_kind(&kind);
}

static void test_runs_of_four(void **state)
{
    (void)state;
    const struct cn_grid_kind kind = {
        .entries = cn_iq3_xxs_grid,
        .n_entries = 256,
        .dims = 4,
        .n_levels = 8,
        .level = { { 4, 12, 20, 28, 36, 44, 52, 62 } },
        .group = 32,
        .signs = CN_SIGNS_EVEN,
        .scale_top = 15,
        .unit = 4,
    };
    check_kind(&kind);
}

static void test_shifts(void **state)
{
    (void)state;
    struct cn_grid_kind kind = {
        .entries = cn_iq1_grid,
        .n_entries = 2048,
        .dims = 8,
        .n_levels = 3,
        .level = {{ -7, 1, 9 }, { -9, -1, 7 }},
        .group = 32,
        .signs = CN_SHIFT_GROUP,
        .scale_top = 7,
        .unit = 8,
    };
    check_kind(&kind);
    kind.signs = CN_SHIFT_RUN;
    kind.group = 16;
    check_kind(&kind);
}

/* Every entry of a codebook is found again from its own values. */
static void test_entries(void **state)
{
    (void)state;
    static struct cn_grid grid;
    const struct cn_grid_kind kind = {
        .entries = cn_iq2_s_grid,
        .n_entries = 1024,
        .dims = 8,
        .n_levels = 3,
        .level = { { 8, 25, 43 } },
        .group = 16,
        .signs = CN_SIGNS_FREE,
        .scale_top = 15,
        .unit = 8,
    };
    cn_grid_init(&grid, &kind);
    for (int first = 0; first < kind.n_entries; first += 32) {
        float x[CN_GRID_BLOCK], w[CN_GRID_BLOCK];
        struct cn_grid_codes codes;
        for (int i = 0; i < CN_GRID_BLOCK; i++) {
            x[i] = (float)level_of(&kind, 0, first + i / 8, i % 8);
            w[i] = 1;
        }
        cn_grid_quantize(&grid, x, w, &codes);
        for (int g = 0; g < CN_GRID_BLOCK / 16; g++) {
            bool top =
                false; /* else the group may be told with a smaller scale and larger levels */
            for (int k = 0; k < 16; k++)
                top |= x[g * 16 + k] == 43;
            for (int run = 2 * g; top && run < 2 * g + 2; run++)
                assert_int_equal(codes.index[run], first + run);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_runs_of_four),
        cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

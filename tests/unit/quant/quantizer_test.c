/* SPDX-License-Identifier: MIT
 *
 * The searches of the quantisers against brute force, and every quantiser against what it may be
 * fed.
 */
#include "quant/quantizer.h"

#include "quant/quant.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 32, ROW = 512 };

static uint32_t seed = 1;

static float noise(void) /* in [-1, 1), heavier in the middle */
{
    float x = 0;
    for (int i = 0; i < 3; i++) {
        seed = seed * 1664525 + 1013904223;
        x += (float)(int32_t)seed * 0x1p-31f / 3;
    }
    return x;
}

static void fill(int n, float *x, float *w)
{
    for (int i = 0; i < n; i++) {
        x[i] = noise();
        w[i] = fabsf(noise()) + 0.01f;
    }
}

static double level_of(const struct cn_levels *levels, double y)
{
    if (!levels->table)
        return fmin(fmax(nearbyint(y), levels->lo), levels->hi);
    double best = levels->table[0];
    for (int k = 1; k < 16; k++)
        if (fabs(levels->table[k] - y) < fabs(best - y))
            best = levels->table[k];
    return best;
}

/* What x ~ a * level + b leaves, rounding to the nearest level. */
static double error_of(int n, const float *x, const float *w, const struct cn_levels *levels,
                       double a, double b)
{
    double error = 0;
    for (int i = 0; i < n; i++) {
        double miss = (double)x[i] - b - a * level_of(levels, a != 0 ? ((double)x[i] - b) / a : 0);
        error += (double)w[i] * miss * miss;
    }
    return error;
}

static const int8_t table[16] = { -127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113 };

static void test_fit_scale(void **state)
{
    (void)state;
    const struct cn_levels kinds[] = {
        {-4,   3,  NULL },
        { -8,  7,  NULL },
        { -16, 15, NULL },
        { 0,   15, table}
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct cn_levels *levels = &kinds[k];
        double found = 0, possible = 0;
        for (int trial = 0; trial < 100; trial++) {
            float x[N], w[N];
            fill(N, x, w);
            double best = HUGE_VAL, reach = levels->table ? 113 : levels->hi;
            for (int i = 1; i <= 4000; i++) {
                double a = i / 4000.0 * 1.5 / reach;
                best = fmin(best, error_of(N, x, w, levels, a, 0));
                best = fmin(best, error_of(N, x, w, levels, -a, 0));
            }
            found += error_of(N, x, w, levels, (double)cn_fit_scale(N, x, w, levels), 0);
            possible += best;
        }
        if (found > 1.05 * possible)
            fail_msg("levels %zu: error %g, %g is possible", k, found, possible);
    }
}

static void test_fit_scale_offset(void **state)
{
    (void)state;
    for (int top = 15; top <= 31; top += 16) {
        const struct cn_levels levels = { 0, top, NULL };
        double found = 0, possible = 0;
        for (int trial = 0; trial < 20; trial++) {
            float x[N], w[N], scale, offset, lo = INFINITY, hi = -INFINITY;
            fill(N, x, w);
            for (int i = 0; i < N; i++) {
                x[i] += (float)(trial % 3) - 1; /* offsets of either sign */
                lo = fminf(lo, x[i]);
                hi = fmaxf(hi, x[i]);
            }
            double best = HUGE_VAL, spread = (double)(hi - lo);
            for (int i = -20; i <= 20; i++)
                for (int j = 0; j <= 200; j++) {
                    double b = (double)lo + i * spread / 200, a = spread / top * (0.8 + 0.002 * j);
                    best = fmin(best, error_of(N, x, w, &levels, a, b));
                }
            cn_fit_scale_offset(N, x, w, top, &scale, &offset);
            assert_true(scale >= 0);
            found += error_of(N, x, w, &levels, (double)scale, (double)offset);
            possible += best;
        }
        if (found > 1.1 * possible)
            fail_msg("0..%d: error %g, %g is possible", top, found, possible);
    }
}

static void test_ternary(void **state)
{
    (void)state;
    const struct cn_levels levels = { -1, 1, NULL };
    for (int trial = 0; trial < 50; trial++) {
        float x[N], w[N];
        int8_t code[N];
        fill(N, x, w);
        double best = HUGE_VAL;
        for (int i = 0; i <= 2000; i++)
            best = fmin(best, error_of(N, x, w, &levels, i / 2000.0, 0));
        double d = (double)cn_f16_to_f32(cn_quant_ternary(N, x, w, code)), error = 0;
        for (int i = 0; i < N; i++)
            error += (double)w[i] * pow((double)x[i] - d * code[i], 2);
        assert_true(error <= best * 1.001);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(cn_quant_f16(1), 0x3c00);
    assert_int_equal(cn_quant_f16(70000), 0x7bff); /* the largest finite ones */
    assert_int_equal(cn_quant_f16(-INFINITY), 0xfbff);
    assert_int_equal(cn_quant_f16(NAN), 0);
    assert_true(cn_quant_inverse(4) == 0.25f);
    assert_true(cn_quant_inverse(0) == 0 && cn_quant_inverse(1e-45f) == 0);
    assert_true(cn_quant_inverse(NAN) == 0);
}

static void test_weights(void **state)
{
    (void)state;
    const float x[4] = { 1, -1, 1, -1 }, v[4] = { 0, 2, 0, 2 }, none[4] = { 0 };
    float w[4];
    cn_quant_weights(4, x, v, CN_WEIGHTS_STEEP, w);
    for (int i = 0; i < 4; i++)
        assert_true(fabsf(w[i] - (i % 2 * 2 + 0.15f) * sqrtf(5)) < 1e-6f);
    cn_quant_weights(4, x, NULL, CN_WEIGHTS_STEEP, w);
    assert_true(fabsf(w[0] - 1.15f * sqrtf(5)) < 1e-6f);
    cn_quant_weights(4, x, none, CN_WEIGHTS_STEEP, w);
    assert_true(fabsf(w[0] - 1.15f * sqrtf(5)) < 1e-6f);
}

/* ---- every quantiser ------------------------------------------------------------------------ */

static const struct cn_format *quantised(int type)
{
    return cn_formats[type].block_elems > 1 ? &cn_formats[type] : NULL;
}

static void roundtrip(const struct cn_format *f, const float *x, const float *weights, float *y)
{
    uint8_t blocks[ROW * 2], again[ROW * 2];
    size_t bytes = cn_row_bytes(f, ROW);
    assert_true(bytes <= sizeof blocks);
    memset(blocks, 0x55, sizeof blocks);
    memset(again, 0xaa, sizeof again);
    f->ref->quantize(ROW, x, weights, blocks);
    f->ref->quantize(ROW, x, weights, again);
    if (memcmp(blocks, again, bytes) != 0) /* every bit is set, whatever was there */
        fail_msg("%s: the same row gives other blocks", f->name);
    if (bytes < sizeof blocks)
        assert_int_equal(blocks[bytes], 0x55);
    f->ref->dequantize(ROW, blocks, y);
}

static double loss(const float *x, const float *y)
{
    double error = 0, size = 0;
    for (int i = 0; i < ROW; i++) {
        error += pow((double)x[i] - (double)y[i], 2);
        size += pow((double)x[i], 2);
    }
    return sqrt(error / size);
}

/* The formats whose scales reach less far: the sizes (root mean squares of a row) that they hold.
 */
static const struct {
    const char *format;
    double least, largest;
} narrow[] = {
    {"nvfp4", 0.05, 400},
};

static bool reaches(const struct cn_format *f, double size)
{
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
        if (!strcmp(narrow[i].format, f->name))
            return size >= narrow[i].least && size <= narrow[i].largest;
    return true;
}

/* Scaling a row scales what comes out: over all magnitudes that weights have. */
static void test_magnitudes(void **state)
{
    float x[ROW], y[ROW], w[ROW], scaled[ROW];
    double size = 0;
    (void)state;
    fill(ROW, x, w);
    for (int i = 0; i < ROW; i++)
        size += (double)x[i] * (double)x[i] / ROW;
    size = sqrt(size);
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = quantised(type);
        if (!f)
            continue;
        roundtrip(f, x, w, y);
        double expected = loss(x, y);
        for (int e = -9; e <= 12; e += 3) {
            if (!reaches(f, ldexp(size, e)))
                continue;
            for (int i = 0; i < ROW; i++)
                scaled[i] = ldexpf(x[i], e);
            roundtrip(f, scaled, w, y);
            if (loss(scaled, y) > expected * 1.05)
                fail_msg("%s: loses %g times 2^%d, %g as it is", f->name, loss(scaled, y), e,
                         expected);
        }
    }
}

/* The root mean square of a row down to which a format loses at most 5% more than of rows of 1, as
 * docs/FORMATS.md has it; below, its scales cannot follow. */
static const struct {
    const char *format;
    double rms;
} smallest[] = {
    {"iq6_k",    1.8e-4},
    { "f16",     1.6e-4},
    { "iq5_k",   6e-5  },
    { "iq4_k",   4.5e-5},
    { "q8_0",    3.3e-5},
    { "q8_1",    3.3e-5},
    { "iq4_nl",  3.6e-5},
    { "iq4_xs",  3.3e-5},
    { "q6_k",    3.0e-5},
    { "iq3_k",   1.9e-5},
    { "q5_1",    1.5e-5},
    { "q5_0",    7e-6  },
    { "iq3_ks",  7e-6  },
    { "q5_k",    6e-6  },
    { "iq2_kl",  4.5e-6},
    { "iq3_s",   4e-6  },
    { "q4_1",    3e-6  },
    { "iq3_xxs", 3e-6  },
    { "iq2_k",   2.6e-6},
    { "q4_k",    2e-6  },
    { "iq2_ks",  2e-6  },
    { "q4_0",    1.8e-6},
    { "iq2_s",   1.2e-6},
    { "iq2_xs",  9e-7  },
    { "q3_k",    8e-7  },
    { "iq2_xxs", 6e-7  },
    { "q2_k",    3e-7  },
    { "iq1_m",   2e-7  },
    { "iq1_s",   1e-7  },
    { "tq1_0",   1e-7  },
    { "tq2_0",   1e-7  },
    { "iq4_ks",  1e-7  },
    { "iq4_kss", 1e-7  },
    { "iq5_ks",  1e-7  },
    { "bf16",    1e-7  },
    { "q8_k",    1e-7  },
    { "mxfp4",   1e-7  },
};

static void test_small_rows(void **state)
{
    enum { ROWS = 8 };
    static float x[ROWS][ROW], scaled[ROW], y[ROW];
    (void)state;
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < ROW; i++) /* nearly Gaussian, of 1 */
            x[r][i] = 2.1213f * (noise() + noise());
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = quantised(type);
        if (!f)
            continue;
        double rms = 1e-4, normal = 0;
        for (size_t i = 0; i < sizeof smallest / sizeof *smallest; i++)
            if (!strcmp(smallest[i].format, f->name))
                rms = smallest[i].rms;
        for (int r = 0; r < ROWS; r++) {
            roundtrip(f, x[r], NULL, y);
            normal += loss(x[r], y) / ROWS;
        }
        for (double size = 1e4; size > 1e-10; size /= 2) {
            double lost = 0;
            for (int r = 0; r < ROWS; r++) {
                for (int i = 0; i < ROW; i++)
                    scaled[i] = (float)size * x[r][i];
                roundtrip(f, scaled, NULL, y);
                double one = loss(scaled, y);
                if (!(one <= 1.000001))
                    fail_msg("%s: of a row of %g it keeps less than zeros would: %g lost", f->name,
                             size, one);
                lost += one / ROWS;
            }
            if (size >= rms && reaches(f, size) && lost > 1.05 * normal)
                fail_msg("%s: loses %g of rows of %g, %g of rows of 1", f->name, lost, size,
                         normal);
        }
    }
}

/* Below, the choice is the best that there is: one scale of all multiples of 2^-24 for a run, or
 * for a block with the best whole number for each group. */
static double best_multiple(int n, const float *x, const struct cn_levels *levels, int top,
                            int n_groups)
{
    float w[256];
    double least = (double)INFINITY;
    for (int i = 0; i < 256; i++)
        w[i] = 1;
    for (int k = 1; k <= 12; k++) {
        double sum = 0;
        for (int g = 0; g < n_groups; g++) {
            double best = (double)INFINITY;
            for (int l = -(top > 1 ? top : 0); l <= top; l++)
                best = fmin(best, error_of(n, x + g * n, w, levels, 0x1p-24 * k * l, 0));
            sum += best;
        }
        least = fmin(least, sum);
    }
    return least;
}

static void test_small_optimum(void **state)
{
    static const struct {
        const char *format;
        struct cn_levels levels;
        int group, top;
    } kinds[] = {
        {"q4_0",    { -8, 7, NULL },     32, 1 },
        { "q5_0",   { -16, 15, NULL },   32, 1 },
        { "q8_0",   { -127, 127, NULL }, 32, 1 },
        { "iq4_nl", { 0, 15, table },    32, 1 },
        { "q3_k",   { -4, 3, NULL },     16, 31},
        { "iq4_xs", { 0, 15, table },    32, 31},
        { "q6_k",   { -32, 31, NULL },   16, 40},
    };
    float x[ROW], y[ROW], w[ROW];
    (void)state;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (double size = 4e-6; size > 2e-8; size /= 1.6) {
            const struct cn_format *f = cn_format_by_name(kinds[kind].format);
            const int group = kinds[kind].group, top = kinds[kind].top;
            const int n_groups = (int)f->block_elems / group;
            double best = 0, got = 0;
            for (int t = 0; t < 4; t++) {
                fill(ROW, x, w);
                for (int i = 0; i < ROW; i++)
                    x[i] *= (float)size;
                roundtrip(f, x, NULL, y);
                got += pow(loss(x, y), 2);
                double sum = 0, squares = 0;
                for (int b = 0; b < ROW; b += group * n_groups)
                    sum += best_multiple(group, x + b, &kinds[kind].levels, top, n_groups);
                for (int i = 0; i < ROW; i++)
                    squares += (double)x[i] * (double)x[i];
                best += sum / squares;
            }
            /* The quantiser weighs large elements more. */
            if (sqrt(got) > 1.05 * sqrt(best))
                fail_msg("%s: loses %g of rows of %g, where %g is possible", f->name, sqrt(got / 4),
                         size, sqrt(best / 4));
        }
}

/* A row that the format holds exactly comes out again as it was, or nearly: searches may stop
 * elsewhere, but not far. */
static void test_exact_rows(void **state)
{
    float x[ROW], y[ROW], z[ROW], w[ROW];
    (void)state;
    fill(ROW, x, w);
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = quantised(type);
        if (!f)
            continue;
        roundtrip(f, x, w, y);
        roundtrip(f, y, NULL, z);
        if (loss(y, z) > 0.35 * loss(x, y))
            fail_msg("%s: a row of its own values loses %g (the first time %g)", f->name,
                     loss(y, z), loss(x, y));
    }
}

static void check_finite(const struct cn_format *f, const float *x, const float *w,
                         const char *what)
{
    float y[ROW];
    roundtrip(f, x, w, y);
    for (int i = 0; i < ROW; i++)
        if (!isfinite(y[i]))
            fail_msg("%s: %s gives %g", f->name, what, (double)y[i]);
}

static void test_hostile_rows(void **state)
{
    static const struct {
        const char *what;
        float fill, one;
    } rows[] = {
        {"all zeros",             0,         0        },
        { "all -0",               -0.0f,     -0.0f    },
        { "one outlier",          1e-4f,     1        },
        { "one negative outlier", 1e-4f,     -1       },
        { "one element",          0,         1        },
        { "all alike",            0.25f,     0.25f    },
        { "all alike, negative",  -0.25f,    -0.25f   },
        { "subnormals",           1e-42f,    1e-40f   },
        { "tiny",                 1e-20f,    -1e-21f  },
        { "huge",                 1e30f,     -3e38f   },
        { "infinite",             1,         INFINITY },
        { "not a number",         1,         NAN      },
        { "nothing but NaN",      NAN,       NAN      },
        { "nothing but infinity", -INFINITY, -INFINITY},
    };
    float x[ROW], w[ROW];
    (void)state;
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = quantised(type);
        for (size_t r = 0; f && r < sizeof rows / sizeof *rows; r++) {
            for (int i = 0; i < ROW; i++) {
                x[i] = i % 256 == 100 ? rows[r].one : rows[r].fill;
                w[i] = fabsf(noise());
            }
            check_finite(f, x, NULL, rows[r].what);
            check_finite(f, x, w, rows[r].what);
            memset(w, 0, sizeof w);
            check_finite(f, x, w, rows[r].what);
            w[7] = INFINITY;
            check_finite(f, x, w, rows[r].what);
            w[7] = NAN;
            check_finite(f, x, w, rows[r].what);
        }
    }
}

/* Importance of nothing (an expert that was never chosen) is no importance, not a row of zeros. */
static void test_zero_importance(void **state)
{
    float x[ROW], w[ROW], with[ROW], without[ROW];
    (void)state;
    fill(ROW, x, w);
    memset(w, 0, sizeof w);
    for (int type = 0; type < CN_N_TYPES; type++) {
        const struct cn_format *f = quantised(type);
        if (!f)
            continue;
        roundtrip(f, x, NULL, without);
        roundtrip(f, x, w, with);
        if (loss(x, with) > 1.01 * loss(x, without))
            fail_msg("%s: loses %g with importance 0, %g without", f->name, loss(x, with),
                     loss(x, without));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_scale),       cmocka_unit_test(test_fit_scale_offset),
        cmocka_unit_test(test_ternary),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_weights),         cmocka_unit_test(test_magnitudes),
        cmocka_unit_test(test_small_rows),      cmocka_unit_test(test_small_optimum),
        cmocka_unit_test(test_exact_rows),      cmocka_unit_test(test_hostile_rows),
        cmocka_unit_test(test_zero_importance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
